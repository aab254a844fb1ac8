"""Makes the client without asyncio from the one with it: `python -m tools.sync_client`. A test says when to."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from deploy.checkout import CHECKOUT

ROLLCALL = CHECKOUT / "client" / "rollcall"
ASYNCHRONOUS, SYNCHRONOUS = ROLLCALL / "_async", ROLLCALL / "_sync"
HEAD = "# Made from {source} by `python -m tools.sync_client`: change that.\n"

# In this order, because a later one meets what an earlier one has made.
REPLACEMENTS = (
    (r"rollcall\._async\b", "rollcall._sync"),
    (r"rollcall\.consuming\.asynchronous", "rollcall.consuming.threaded"),
    (r"httpx2\.AsyncClient", "httpx2.Client"),
    (r"httpx2\.AsyncBaseTransport", "httpx2.BaseTransport"),
    (r"connection\.async_transport", "connection.transport"),
    (r"async_transport=", "transport="),
    (r"contextlib\.asynccontextmanager", "contextlib.contextmanager"),
    (r"contextlib\.AsyncExitStack", "contextlib.ExitStack"),
    (r"push_async_callback", "callback"),
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(Iterator|Iterable|Generator)\b", r"\1"),
    (r"\b(_?)Async([A-Z]\w*)", r"\1\2"),
    (r"__a(iter|next|enter|exit)__", r"__\1__"),
    (r"\baiter_bytes\b", "iter_bytes"),
    (r"\baread\b", "read"),
    (r"\baclose\b", "close"),
    (r"\bablocks\b", "blocks"),
    (r"\bapause\b", "pause"),
)


def made(source: Path) -> str:
    """The file without asyncio."""
    text = source.read_text()
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text)
    head = HEAD.format(source=source.relative_to(ROLLCALL.parent))
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--stdin-filename", str(SYNCHRONOUS / source.name), "-"]
    for command in (["check", "--select=I", "--fix", "--quiet"], ["format"]):
        done = subprocess.run(
            [*ruff, *command, *options], input=text, text=True, capture_output=True, check=True, cwd=CHECKOUT
        )
        text = done.stdout
    return head + text


def main() -> None:
    SYNCHRONOUS.mkdir(exist_ok=True)
    for old in SYNCHRONOUS.glob("*.py"):
        old.unlink()
    for source in sorted(ASYNCHRONOUS.glob("*.py")):
        (SYNCHRONOUS / source.name).write_text(made(source))


if __name__ == "__main__":
    main()
