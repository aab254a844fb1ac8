"""What the command prints: tables and colours for a terminal, tabs when it is piped, JSON where it is asked for."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

    from rollcall import Pages

Item = TypeVar("Item")
Row = Sequence[object]

# Of a terminal's list that nobody has limited; and so many lines are one table.
SHOWN_ON_A_TERMINAL: Final = 50
MOST_A_PAGE: Final = 1000
LINES_A_TABLE: Final = 500
_STYLES: Final = {
    "succeeded": "green",
    "previewed": "green",
    "partially_succeeded": "yellow",
    "failed": "red",
    "cancelled": "red",
}
# What moves a terminal's cursor or changes its colours; it may stand in anybody's cell.
_control = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plain(value: object) -> str:
    """As it is shown to people and handed on by lines: one line, nothing that a terminal obeys."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _control.sub("\ufffd", str(value))


class Output:
    """Results go to standard output, all else to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @property
    def is_terminal(self) -> bool:
        """Or what somebody wants to be treated as one, such as a log that people read."""
        return (sys.stdout.isatty() or bool(os.environ.get("ROLLCALL_FORCE_TTY"))) and not self.as_json

    @cached_property
    def console(self) -> Console:
        from rich.console import Console

        return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

    @cached_property
    def errors(self) -> Console:
        from rich.console import Console

        return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def note(self, text: str, *, style: str | None = None) -> None:
        """To people, beside the result."""
        if sys.stderr.isatty():
            self.errors.print(text, style=style)
        else:
            print(text, file=sys.stderr, flush=True)

    def json(self, value: Any) -> None:
        import msgspec

        sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
        sys.stdout.flush()

    def item(self, value: Any, fields: Iterable[tuple[str, object]]) -> None:
        """One thing, by its fields; those without a value are left out."""
        if self.as_json:
            self.json(value)
            return
        shown = [(name, plain(field)) for name, field in fields if field is not None and field != ""]
        if not self.is_terminal:
            for name, field in shown:
                print(f"{name}\t{field}")
            return
        from rich.text import Text

        width = max((len(name) for name, _ in shown), default=0)
        for name, field in shown:
            self.console.print(Text.assemble((f"{name:<{width}}  ", "dim"), (field, _STYLES.get(field, ""))))

    def list(
        self, pages: Pages[Item], columns: Sequence[str], row: Callable[[Item], Row], *, limit: int | None, what: str
    ) -> None:
        """A list of the service: so many of it (on a terminal not more than fit, unless said), 0 being all."""
        most = limit if limit is not None else SHOWN_ON_A_TERMINAL if self.is_terminal else 0
        if not 0 < most <= MOST_A_PAGE:
            self.rows(islice(pages, most or None), columns, row, what=what)
            return
        page = pages.page(limit=most)
        self.rows(page.data, columns, row, what=what)
        if page.next_cursor is not None:
            about = "about " if page.total_is_estimate else ""
            self.note(f"{page.size:,} of {about}{page.total_data:,} {what}; --limit 0 shows all.", style="dim")

    def rows(self, items: Iterable[Item], columns: Sequence[str], row: Callable[[Item], Row], *, what: str) -> None:
        """As they come, in constant memory."""
        source = iter(items)
        if self.as_json:
            self._json_lines(source)
        elif self.is_terminal:
            self._tables(source, columns, row, what)
        else:
            self._lines(source, row)

    def _json_lines(self, items: Iterator[Item]) -> None:
        import msgspec

        for item in items:
            sys.stdout.write(msgspec.json.encode(item).decode() + "\n")
        sys.stdout.flush()

    def _lines(self, items: Iterator[Item], row: Callable[[Item], Row]) -> None:
        for item in items:
            sys.stdout.write("\t".join(map(plain, row(item))) + "\n")
        sys.stdout.flush()

    def _tables(self, items: Iterator[Item], columns: Sequence[str], row: Callable[[Item], Row], what: str) -> None:
        from rich.table import Table
        from rich.text import Text

        count = 0
        while block := list(islice(items, LINES_A_TABLE)):
            table = Table(*columns, box=None, pad_edge=False, header_style="bold")
            for item in block:
                cells = [plain(cell) for cell in row(item)]
                table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
            self.console.print(table)
            count += len(block)
        if count == 0:
            self.note(f"No {what}.", style="dim")


def silence_broken_pipe() -> None:
    """Whoever read us has read enough (`| head`): Python would complain once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
