"""Where the fields stand in a file, by their names: what is stored or sent outlives the release that wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import msgspec

from shared.errors import NewerThanKnown
from shared.rows.fields import FIELD_NAMES

# Releases before 0.2.0 wrote lists without names, in this order.
UNNAMED_ORDER: Final = ("employee_name", "company_name", "mobile_no", "email")


class NewerLayout(NewerThanKnown):
    """A layout has fields that a newer version declares. Read without them, their cells would be dropped silently."""


class Layout(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True, omit_defaults=True):
    """The number of a file's columns, and which of them are which field.

    A field in several columns is their cells joined with one space. A field that has none here, because the file lacks
    it or because it was declared after the layout was written, is empty in every row. The sender said which fields are
    `optional`; it is left out where there are none, so that a reader which does not know it can read the others.
    """

    width: int
    columns: Mapping[str, tuple[int, ...]]
    optional: tuple[str, ...] = ()

    @cached_property
    def in_order(self) -> tuple[tuple[int, ...], ...]:
        """The columns of each field in the order of `FIELDS`."""
        return tuple(self.columns.get(name, ()) for name in FIELD_NAMES)

    @cached_property
    def joins_cells(self) -> bool:
        """True when a field stands in several columns."""
        return any(len(indices) > 1 for indices in self.in_order)

    @property
    def fits(self) -> bool:
        """True when every field that it names stands in columns that there are."""
        return all(indices and all(0 <= index < self.width for index in indices) for indices in self.columns.values())

    def require_known(self) -> Layout:
        """Itself. Raises `NewerLayout`."""
        if not set(FIELD_NAMES).issuperset((*self.columns, *self.optional)):
            raise NewerLayout("a layout names a field that this version does not know: update this service")
        return self


def layout_of_names(names: Sequence[str]) -> Layout:
    """Of a file whose columns are these fields and nothing else."""
    return Layout(len(names), {name: (at,) for at, name in enumerate(names)})


def name_columns(unnamed: Sequence[Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """The columns of a layout as releases before 0.2.0 wrote it. Raises `ValueError` if it has not their four."""
    return {name: tuple(indices) for name, indices in zip(UNNAMED_ORDER, unnamed, strict=True)}
