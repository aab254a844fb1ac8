"""The client for asyncio. The one without it is made from these files."""
