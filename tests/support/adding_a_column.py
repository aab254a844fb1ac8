"""The steps of "Adding a column" in docs/architecture.md, done to the letter in a copy of the tree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent
from typing import Final

from shared.database.schema_check import REQUIRED_REVISION

# What the page calls the revision to be and the one before it.
_NEXT: Final = "NNNN"
_LAST: Final = "MMMM"
_END_OF_FIELDS: Final = ")  # fmt: skip\n"
_CHANGELOG_ENTRIES: Final = "### Added\n\n"
# A numbered step, the first file that it names, and its block of code.
_STEP: Final = re.compile(r"^\d\. [^`]*`([^`]+)`(?:(?!^\d\. ).)*?^ +```\w*\n(.*?)^ +```$", re.MULTILINE | re.DOTALL)


def add_a_column(tree: Path) -> None:
    """Raises if the page has no such steps, or the tree no place for one of them."""
    page = (tree / "docs" / "architecture.md").read_text()
    chapter = page.partition("## Adding a column\n")[2].partition("\n## ")[0]
    steps = _STEP.findall(chapter)
    assert len(steps) == len(re.findall(r"^\d\. ", chapter, re.MULTILINE)) > 0, "a step without a file or a block"
    for file, block in steps:
        _do(tree / _with_revisions(file), _with_revisions(dedent(block)), block)
    assert "`make reference`" in chapter
    subprocess.run([sys.executable, "-B", "-m", "tools.reference"], cwd=tree, check=True)


def _do(path: Path, text: str, block: str) -> None:
    if path.parent.name == "versions":
        path.write_text(text)
    elif path.name == "fields.py":
        _replace(path, _END_OF_FIELDS, f"{indent(text.rstrip(), '    ')},\n{_END_OF_FIELDS}")
    elif path.name == "schema_check.py":
        _replace(path, f'REQUIRED_REVISION = "{REQUIRED_REVISION}"\n', text)
    elif path.name == "CHANGELOG.md":
        _replace(path, _CHANGELOG_ENTRIES, _CHANGELOG_ENTRIES + text)
    else:
        raise AssertionError(f"the page names a file that no step is known for: {path.name}, {block}")


def _replace(path: Path, before: str, after: str) -> None:
    """Where it stands first."""
    content = path.read_text()
    assert before in content, f"{path.name} has no {before!r}"
    path.write_text(content.replace(before, after, 1))


def _with_revisions(text: str) -> str:
    return text.replace(_NEXT, f"{int(REQUIRED_REVISION) + 1:04}").replace(_LAST, REQUIRED_REVISION)
