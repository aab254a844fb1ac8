"""The command `rollcall`."""

from __future__ import annotations

import sys

from shared.version import VERSION


def main() -> None:
    # Before anything else is imported: scripts ask for it, and prompts.
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"rollcall {VERSION}")
        return
    from rollcall.command.app import run

    run()


if __name__ == "__main__":
    main()
