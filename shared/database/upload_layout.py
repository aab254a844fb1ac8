"""An upload's layout and where it comes from, as its row in `uploads` holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from shared.rows.layout import Layout, name_columns

if TYPE_CHECKING:
    from sqlalchemy import Row

    from shared.rows.csv_format import CsvFormat

# A statement selects these columns of `uploads` for `layout_of`.
LAYOUT_COLUMNS: Final = "cardinality(columns) AS width, CAST(field_columns AS text) AS field_columns"

_Stored = dict[str, tuple[int, ...]] | list[tuple[int, ...]]
_decoder: msgspec.json.Decoder[_Stored] = msgspec.json.Decoder(_Stored)


def layout_of(row: Row[Any]) -> Layout:
    """Fields that this version does not know are kept: who reads rows with it has to refuse them."""
    stored = _decoder.decode(row.field_columns)
    return Layout(row.width, stored if isinstance(stored, dict) else name_columns(stored))


def stored_columns(layout: Layout) -> dict[str, list[int]]:
    """The value of `field_columns`."""
    return {name: list(indices) for name, indices in layout.columns.items()}


def stored_sources(csv_format: CsvFormat) -> dict[str, dict[str, Any]]:
    """The value of `column_sources`: by the name of each field, why its columns, and the indices of others."""
    return {
        name: {"why": source.why, "passed_over": list(source.passed_over)}
        for name, source in csv_format.sources.items()
    }
