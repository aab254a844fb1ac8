"""Who said what an employee stands as, and the clauses that let an order of rows not show in it.

The provenance of a row is (by_update, upload_sequence, row_number), and of two rows the greater one wins. An employee
has that of the row it stands as. A field that another row said, because the winner left it empty, has its own in
`field_provenance`; one that nobody said has `NOBODY`, which every row of an `update` exceeds. So each field is the
maximum of all rows that said it, whatever their order (docs/decisions/0020).
"""

from __future__ import annotations

from typing import Final

from shared.rows.fields import FIELD_NAMES

NOBODY: Final = (False, 0, 0)

_PROVENANCE_COLUMNS: Final = ("upload_sequence", "row_number", "by_update")
# Most employees and rows have one provenance for all fields. These are compared as before, without making any JSON.
_BOTH_PLAIN: Final = "e.field_provenance IS NULL AND excluded.field_provenance IS NULL"
_IS_PLAIN: Final = "e.field_provenance IS NULL"


def _of_row(row: str) -> str:
    # As JSON, arrays of one length are compared element by element, and false is less than true.
    return f"jsonb_build_array({row}.by_update, {row}.upload_sequence, {row}.row_number)"


def _of_field(row: str, name: str) -> str:
    return f"coalesce({row}.field_provenance -> '{name}', {_of_row(row)})"


def _is_later(name: str) -> str:
    return f"{_of_field('excluded', name)} > {_of_field('e', name)}"


def _is_displaced(name: str) -> str:
    """Whether a later row of this very upload said it, which an `update` that came between has kept."""
    next_upload = "jsonb_build_array(false, excluded.upload_sequence + 1, 0)"
    of_field = f"(e.field_provenance -> '{name}')"
    return f"{of_field} > {_of_row('excluded')} AND {of_field} < {next_upload}"


def _stripped(provenances: dict[str, str]) -> str:
    pairs = ", ".join(f"'{name}', {provenance}" for name, provenance in provenances.items())
    return f"nullif(jsonb_strip_nulls(jsonb_build_object({pairs})), '{{}}')"


def _set(takes_all: str, wins: str, takes: dict[str, str], provenance: str) -> str:
    """`takes_all` is true of plain rows, `takes` says it of a field, and `wins` of the row.

    A row that displaces one of its own upload takes its place: it is inserted or updated as that one was. One that its
    upload had marked as left stands as a row below zero, and is updated.
    """
    fields = [
        f"{name} = CASE WHEN {takes_all} OR {takes[name]} THEN excluded.{name} ELSE e.{name} END" for name in takes
    ]
    row = [f"{name} = CASE WHEN {wins} THEN excluded.{name} ELSE e.{name} END" for name in _PROVENANCE_COLUMNS]
    return f"""
    ON CONFLICT (lower(email)) DO UPDATE SET
        {", ".join((*fields, *row))},
        replaced_sequence = CASE WHEN {wins} AND e.upload_sequence <> excluded.upload_sequence
                                 THEN e.upload_sequence ELSE e.replaced_sequence END,
        replaced_row = CASE WHEN {wins} AND e.upload_sequence = excluded.upload_sequence THEN e.row_number END,
        field_provenance = CASE WHEN {takes_all} THEN NULL ELSE {provenance} END,
        left_at = CASE WHEN {wins} THEN NULL ELSE e.left_at END, updated_at = now()
    """


# Who has left gives way to whatever names them later, in any mode.
_COMES_BACK: Final = (
    "(e.left_at IS NOT NULL AND (excluded.upload_sequence, excluded.row_number) > (e.upload_sequence, e.row_number))"
)
_WINS: Final = (
    "(NOT e.by_update OR (excluded.upload_sequence, excluded.row_number) > (e.upload_sequence, e.row_number))"
)
_LATER: Final = {name: _is_later(name) for name in FIELD_NAMES}
_GREATEST: Final = {
    name: f"nullif(greatest({_of_field('e', name)}, {_of_field('excluded', name)}), "
    f"greatest({_of_row('e')}, {_of_row('excluded')}))"
    for name in FIELD_NAMES
}
# A row takes each field that it said later than who said what is there, and the employee if it is later than its row.
UPDATE: Final = f"""
    {_set(_BOTH_PLAIN, _WINS, _LATER, _stripped(_GREATEST))}
    WHERE {_WINS} OR (NOT ({_BOTH_PLAIN}) AND ({" OR ".join(_LATER.values())}))
"""

# The same for rows that say all fields, as nearly all do: one that wins takes everything. One that loses may have
# fields to give to an employee with `field_provenance` all the same; those few go through the statement above.
_TAKE_WHOLE: Final = f"""
    ON CONFLICT (lower(email)) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in (*FIELD_NAMES, *_PROVENANCE_COLUMNS))},
        replaced_sequence = CASE WHEN e.upload_sequence = excluded.upload_sequence
                                 THEN e.replaced_sequence ELSE e.upload_sequence END,
        replaced_row = CASE WHEN e.upload_sequence = excluded.upload_sequence THEN e.row_number END,
        field_provenance = NULL, left_at = NULL, updated_at = now()
"""
UPDATE_WHOLE: Final = f"{_TAKE_WHOLE} WHERE {_WINS}"
REJECT: Final = f"{_TAKE_WHOLE} WHERE {_COMES_BACK}"

_DISPLACED: Final = {name: _is_displaced(name) for name in FIELD_NAMES}
_AFTER_DISPLACEMENT: Final = {
    name: f"CASE WHEN {displaced} THEN {_of_row('excluded')} ELSE e.field_provenance -> '{name}' END"
    for name, displaced in _DISPLACED.items()
}
# Only a later row of its own upload gives way, and who has left. Where an `update` came between, fields that this kept
# do.
SKIP: Final = f"""
    {_set(_IS_PLAIN, _IS_PLAIN, _DISPLACED, _stripped(_AFTER_DISPLACEMENT))}
    WHERE (e.upload_sequence = excluded.upload_sequence AND excluded.row_number < e.row_number)
       OR {_COMES_BACK}
       OR (NOT ({_IS_PLAIN}) AND ({" OR ".join(f"({displaced})" for displaced in _DISPLACED.values())}))
"""
