# Made from rollcall/_async/__init__.py by `python -m tools.sync_client`: change that.
"""The client for asyncio. The one without it is made from these files."""
