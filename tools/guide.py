"""Builds the documentation as a site into build/guide, where the services look for it: `make guide`.

The pages are those of docs/, CONTRIBUTING.md and CHANGELOG.md, changed in what a site without the code cannot have:
links to code become the code's path, and diagrams, whose drawing would come from elsewhere, the table that they draw.
Zensical makes HTML of them; its inline scripts become files, because the policy of /guide allows none. Each page's
Markdown lies beside its HTML, and `llms.txt` lists them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "build" / "guide"
CONFIGURATION: Final = ROOT / "zensical.toml"
DOCS: Final = ROOT / "docs"
# Documents that lie elsewhere because that is where people look for them.
ELSEWHERE: Final = {ROOT / "CONTRIBUTING.md": "contributing.md", ROOT / "CHANGELOG.md": "changelog.md"}
# The front page of the site says what README.md says.
PAGES: Final = {**ELSEWHERE, ROOT / "README.md": "index.md", DOCS / "decisions": "decisions/index.md"}
_BUILT_OF: Final = FOLDER.with_name("guide.sha256")

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_FENCE: Final = re.compile(r"(^ *```.*?^ *```[ ]*$)", re.MULTILINE | re.DOTALL)
_TARGET: Final = r"\]\((?!https?://|#)([^)#\s]+)"
_LINK: Final = re.compile(rf"\[([^\[\]]*){_TARGET}(?:#[^)\s]*)?\)")
_LINK_WITHIN: Final = re.compile(_TARGET)
_DIAGRAM: Final = re.compile(r"^```mermaid\nstateDiagram-v2\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STATE: Final = re.compile(r"^ *(\w+): (.+)$")
_STEP: Final = re.compile(r"^ *(\S+) --> (\S+?)(?:: (.*))?$")
_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class GuideFailed(Exception):
    """Zensical's words about what is wrong with the pages."""


def main() -> None:
    try:
        ensure()
    except GuideFailed as failed:
        sys.exit(f"{failed}\nThe guide was not built: correct what is named above, in docs/ or in zensical.toml.")
    print(f"The guide is in {os.path.relpath(FOLDER)}, and at /guide of the services that run here.")


def ensure() -> None:
    """Build it unless it is there as the documents have it. Raises GuideFailed, and OSError without Zensical."""
    digest = _digest()
    if not FOLDER.is_dir() or not _BUILT_OF.exists() or _BUILT_OF.read_text() != digest:
        build(FOLDER)
        _BUILT_OF.write_text(digest)


def build(folder: Path) -> None:
    """Into a folder that is replaced as a whole. Raises GuideFailed, and OSError without Zensical."""
    work = folder.with_name(f"{folder.name}.work")
    shutil.rmtree(work, ignore_errors=True)
    pages = work / "docs"
    _write_pages(pages)
    shutil.copy(CONFIGURATION, work)
    zensical = Path(sys.executable).with_name("zensical")
    done = subprocess.run([zensical, "build", "--strict"], cwd=work, capture_output=True, text=True)
    if done.returncode != 0:
        # The traceback behind its words says nothing more.
        raise GuideFailed(_COLOUR.sub("", done.stdout + done.stderr.partition("Traceback")[0]))
    site = work / "site"
    for unused in ("404.html", "sitemap.xml"):
        (site / unused).unlink(missing_ok=True)
    _move_scripts_into_files(site)
    for page in pages.rglob("*.md"):
        shutil.copy(page, site / page.relative_to(pages))
    (site / "llms.txt").write_text(_contents(pages, tomllib.loads(CONFIGURATION.read_text())["project"]))
    shutil.rmtree(folder, ignore_errors=True)
    site.rename(folder)
    shutil.rmtree(work)


def _sources() -> list[Path]:
    files = [file for file in DOCS.rglob("*") if file.is_file()]
    return sorted([*files, *ELSEWHERE, CONFIGURATION, Path(__file__)])


def _digest() -> str:
    digest = hashlib.sha256()
    for file in _sources():
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _write_pages(folder: Path) -> None:
    shutil.copytree(DOCS, folder, ignore=shutil.ignore_patterns("*.json", "*.md"))
    for source in [*sorted(DOCS.rglob("*.md")), *ELSEWHERE]:
        (folder / page_of(source)).write_text(as_page(source))
    decisions = sorted((folder / "decisions").glob("[0-9]*.md"))
    # Each title has its number already.
    lines = [f"- [{_title(file)}]({file.name})" for file in decisions]
    (folder / "decisions" / "index.md").write_text(
        "\n".join(["# Decisions", "", "Each on half a page: context, decision, consequences.", "", *lines, ""])
    )


def page_of(source: Path) -> Path:
    """Where the site has a document or a file below docs/."""
    page = Path(PAGES[source]) if source in PAGES else source.relative_to(DOCS)
    return page.with_name("index.md") if page.name == "README.md" else page


def as_page(source: Path) -> str:
    """A document as the site has it."""
    text = _DIAGRAM.sub(lambda found: _as_table(found[1]), source.read_text())
    parts = _FENCE.split(text)
    # Every second one is a fence, and code has no links.
    parts[::2] = [_with_links_of_the_site(source, part) for part in parts[::2]]
    return "".join(parts)


def _with_links_of_the_site(source: Path, text: str) -> str:
    def target(name: str) -> Path:
        return Path(os.path.normpath(source.parent / name))

    def has(file: Path) -> bool:
        return file in PAGES or file.is_relative_to(DOCS)

    def named(link: re.Match[str]) -> str:
        if has(file := target(link[2])):
            return link[0]
        path, name = os.path.relpath(file, ROOT), link[1].strip("`")
        return f"`{path}`" if link[1] != name and path.endswith(name) else f"{link[1]} (`{path}`)"

    def moved(link: re.Match[str]) -> str:
        return f"]({os.path.relpath(page_of(target(link[1])), page_of(source).parent)}"

    return _LINK_WITHIN.sub(moved, _LINK.sub(named, text))


def _as_table(diagram: str) -> str:
    """The steps of a state diagram, one a row."""
    lines = diagram.splitlines()
    names = {"[*]": ""} | {state[1]: state[2] for line in lines if (state := _STATE.match(line))}
    steps = [step for line in lines if (step := _STEP.match(line))]
    rows = [
        f"| {names.get(state, state) or '(start)'} | {names.get(after, after) or '(end)'} | {why or ''} |"
        for state, after, why in (step.groups() for step in steps)
    ]
    return "\n".join(["| from | to | when |", "| --- | --- | --- |", *rows])


def _move_scripts_into_files(site: Path) -> None:
    scripts = site / "assets" / "javascripts"
    for page in site.rglob("*.html"):

        def moved(found: re.Match[str], page: Path = page) -> str:
            file = scripts / f"inline.{hashlib.sha256(found[1].encode()).hexdigest()[:8]}.js"
            file.write_text(found[1])
            return f'<script src="{os.path.relpath(file, page.parent)}"></script>'

        page.write_text(_INLINE_SCRIPT.sub(moved, page.read_text()))


def _contents(pages: Path, project: Mapping[str, Any]) -> str:
    """As https://llmstxt.org has it: a list of the pages in Markdown, each with what it says first."""
    lines = [f"# {project['site_name']}", "", f"> {project['site_description']}"]
    for title, entries in _sections(project["nav"]):
        lines += ["", f"## {title}", ""]
        for name, path in entries:
            lines.append(f"- [{name}]({path}): {_first_sentence(pages / path)}")
    return "\n".join([*lines, ""])


def _sections(nav: list[dict[str, Any]]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for entry in nav:
        for title, content in entry.items():
            pages = [{title: content}] if isinstance(content, str) else content
            yield title, [(name, path) for page in pages for name, path in page.items()]


def named_pages() -> set[str]:
    """The pages that the navigation names, below docs/."""
    project = tomllib.loads(CONFIGURATION.read_text())["project"]
    return {path for _, entries in _sections(project["nav"]) for _, path in entries}


def _title(page: Path) -> str:
    return page.read_text().partition("\n")[0].lstrip("# ")


def _first_sentence(page: Path) -> str:
    paragraphs = (part for part in page.read_text().split("\n\n")[1:] if part[0].isalpha())
    sentence = re.split(r"(?<=[.:]) ", next(paragraphs, "").replace("\n", " "), maxsplit=1)[0]
    # Its links would lead elsewhere from here.
    return _LINK.sub(lambda found: found[1], sentence).rstrip(":")


if __name__ == "__main__":
    main()
