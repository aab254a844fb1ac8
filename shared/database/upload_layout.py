"""An upload's layout and format and where they come from, as its row in `uploads` holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from shared.rows.csv_format import CsvFormat
from shared.rows.fields import FIELD_NAMES, NEVER_NULL
from shared.rows.layout import Layout, name_columns

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Row

# A statement selects these columns of `uploads` for `layout_of`.
LAYOUT_COLUMNS: Final = "cardinality(columns) AS width, CAST(field_columns AS text) AS field_columns"
# And these for `format_of`.
FORMAT_COLUMNS: Final = f"""
    reader_version, encoding, encoding_guessed, delimiter, has_header, backslash_escapes, first_row_line, columns,
    {LAYOUT_COLUMNS}
"""

# Behind the name of a field that the sender called optional. Releases that do not know what that means do not know
# such a name either, and leave the rows to a newer one.
_OPTIONAL_MARK: Final = "?"

# The array of names in `field_columns`, as SQL, of which an upload has one if its rows may lack what nobody is inserted
# without.
MAY_LACK_NAMES: Final = f"ARRAY[{', '.join(repr(name + _OPTIONAL_MARK) for name in sorted(NEVER_NULL))}]"

_Stored = dict[str, tuple[int, ...]] | list[tuple[int, ...]]
_decoder: msgspec.json.Decoder[_Stored] = msgspec.json.Decoder(_Stored)


def layout_of(row: Row[Any]) -> Layout:
    """Fields that this version does not know are kept: who reads rows with it has to refuse them."""
    stored = _decoder.decode(row.field_columns)
    if not isinstance(stored, dict):
        return Layout(row.width, name_columns(stored))
    columns = {name: at for name, at in stored.items() if not name.endswith(_OPTIONAL_MARK)}
    return Layout(row.width, columns, optional_fields(stored))


def optional_fields(stored: Collection[Any]) -> tuple[str, ...]:
    """The fields that the sender called optional, from `field_columns`."""
    names = stored if isinstance(stored, dict) else ()
    optional = {name.removesuffix(_OPTIONAL_MARK) for name in names if name.endswith(_OPTIONAL_MARK)}
    # JSON of Postgres has an order of its own.
    return (*(name for name in FIELD_NAMES if name in optional), *sorted(optional.difference(FIELD_NAMES)))


def format_of(row: Row[Any]) -> CsvFormat:
    """All that a reader needs of it."""
    return CsvFormat(
        encoding=row.encoding,
        encoding_guessed=row.encoding_guessed,
        delimiter=row.delimiter,
        has_header=row.has_header,
        columns=tuple(row.columns),
        layout=layout_of(row),
        reader_version=row.reader_version,
        backslash_escapes=row.backslash_escapes,
        first_row_line=row.first_row_line,
    )


def stored_columns(layout: Layout) -> dict[str, list[int]]:
    """The value of `field_columns`."""
    columns = {name: list(indices) for name, indices in layout.columns.items()}
    return columns | {name + _OPTIONAL_MARK: [] for name in layout.optional}


def stored_sources(csv_format: CsvFormat) -> dict[str, dict[str, Any]]:
    """The value of `column_sources`: by the name of each field, why its columns, and the indices of others."""
    return {
        name: {"why": source.why, "passed_over": list(source.passed_over)}
        for name, source in csv_format.sources.items()
    }
