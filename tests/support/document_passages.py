"""Passages of a document that a command writes: between `<!-- begin NAME -->` and `<!-- end NAME -->`."""

from __future__ import annotations

import re
from pathlib import Path


def replace_passage(document: Path, name: str, text: str) -> None:
    """Raises ValueError when the document has no such passage."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    old = document.read_text()
    if not pattern.search(old):
        raise ValueError(f"{document.name} has no passage between {begin} and {end}")
    document.write_text(pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", old))
