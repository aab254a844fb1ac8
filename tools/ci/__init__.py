"""Continuous integration within a budget of time: `bash .ci/run`, or `python3 -m tools.ci`.

Nothing but the standard library, because it runs before anything is installed.
"""
