"""How Rollcall is run on one machine: Compose, or the same services as local processes. Standard library only."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - for whoever runs `make` with an older one
    sys.exit(
        "Rollcall needs Python 3.11 or newer, and this is "
        + sys.version.split()[0]
        + ". Name another one: make PYTHON=python3.13 ..."
    )
