"""Which column of a header is which field: by the sender's mapping, or by its name and what its cells hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from shared.rows.column_choice import choose
from shared.rows.column_names import ColumnNames
from shared.rows.column_problems import ambiguous, missing_columns, unknown_column
from shared.rows.column_source import ColumnSource, Why
from shared.rows.fields import FIELDS, REQUIRED_NAMES, Field
from shared.rows.layout import Layout
from shared.rows.name_choice import choose_name
from shared.rows.sample import Sample

Sources = Mapping[str, ColumnSource]


def find_columns(
    names: Sequence[str],
    mapping: Mapping[str, Sequence[str]] | None = None,
    sample: Sample | None = None,
    needed: Collection[str] = REQUIRED_NAMES,
    line_number: int | None = 1,
) -> Sources:
    """Find each field's columns. The mapping comes first; `line_number` is the header's, for whoever is refused.

    Raises FileProblem: unknown_column (mapped but not there), ambiguous_columns, missing_columns (of needed fields, and
    of one of which only a part is there, which would be dropped silently).
    """
    columns = ColumnNames(names)
    sample = sample or Sample()
    found: dict[str, ColumnSource] = {}
    for field in FIELDS:
        if mapping and field.name in mapping:
            places = tuple(_mapped_place(field.name, column, columns) for column in mapping[field.name])
            found[field.name] = ColumnSource(places, Why.MAPPING)
        elif (source := _named_columns(field, columns, sample)) is not None:
            found[field.name] = source
    missing = [
        field.name
        for field in FIELDS
        if field.name not in found and (field.name in needed or _has_a_part(field, columns))
    ]
    if missing:
        raise missing_columns(missing, names, line_number)
    return found


def layout_of_sources(names: Sequence[str], sources: Sources, optional: tuple[str, ...] = ()) -> Layout:
    return Layout(len(names), {field: source.columns for field, source in sources.items()}, optional)


def count_found(
    names: Sequence[str], mapping: Mapping[str, Sequence[str]] | None, needed: Collection[str] = REQUIRED_NAMES
) -> int:
    """How many of the needed fields a line has a column for, if it is a header; several columns count once."""
    columns = ColumnNames(names)
    found = 0
    for field in FIELDS:
        if field.name not in needed:
            continue
        if mapping and field.name in mapping:
            found += all(columns.called(name) for name in mapping[field.name])
        else:
            found += bool(columns.of_kinds((field.name, *field.kinds, *field.half_kinds))) or _has_parts(field, columns)
    return found


def _named_columns(field: Field, columns: ColumnNames, sample: Sample) -> ColumnSource | None:
    if field.parts:
        return choose_name(field, columns, sample)
    found = columns.of_kinds((field.name, *field.kinds))
    return choose(field, found, columns, sample) if found else None


def _has_parts(field: Field, columns: ColumnNames) -> bool:
    return bool(field.parts) and all(columns.of_kinds(part.kinds) for part in field.parts if part.is_needed)


def _has_a_part(field: Field, columns: ColumnNames) -> bool:
    return any(columns.of_kinds(part.kinds) for part in field.parts if part.is_needed)


def _mapped_place(field: str, name: str, columns: ColumnNames) -> int:
    found = columns.called(name)
    if not found:
        raise unknown_column(field, name, columns.names)
    if len(found) > 1:
        raise ambiguous(field, columns.names, found)
    return found[0]
