"""Takes a person out of what is stored of rows that are nobody's: rejects, corrections, previews, messages and names.

The database chooses what may name the person, by a text that is folded as far as it can; `NamedPeople` decides. What is
erased names nobody any more, so to do it again does no harm. Nothing here commits.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Row, text

from api_service.erasures.statements import MustWait
from shared.database.upload_layout import LAYOUT_COLUMNS, layout_of
from shared.errors import ERASED_REFUSAL, RowCode
from shared.rows.named_people import ERASED, NamedPeople
from shared.rows.rules.text import INVISIBLE, JOINERS

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

EraseFrom = Callable[["AsyncConnection", NamedPeople, str], Awaitable[int]]

ROWS_AT_ONCE: Final = 500
# Each of these looks through a whole table.
SEARCH_SECONDS: Final = 300
_BROKEN: Final = (RowCode.ROW_TOO_LONG, RowCode.MALFORMED_QUOTES)
UNSEEN: Final = f"[{INVISIBLE}{JOINERS}]"
_escaped = re.compile(r"\\u([0-9a-fA-F]{4})")


def may_name(*columns: str) -> str:
    """Takes the parameters `email`, which is folded, and `unseen`."""
    joined = " || ' ' || ".join(f"coalesce(CAST({column} AS text), '')" for column in columns)
    return f"strpos(lower(normalize(regexp_replace({joined}, :unseen, '', 'g'), NFKC)), :email) > 0"


_REJECTS: Final = text(f"""
    SELECT r.upload_id, r.row_number, r.code, r.message, r.discarded_at, CAST(r.cells AS text) AS cells,
           CAST(r.original_cells AS text) AS original_cells, CAST(r.other_faults AS text) AS other_faults,
           cardinality(u.columns) AS width, CAST(u.field_columns AS text) AS field_columns
    FROM rejected_rows AS r JOIN uploads AS u ON u.id = r.upload_id
    WHERE (r.upload_id, r.row_number) > (CAST(:upload_id AS uuid), :row_number)
      AND {may_name("r.cells", "r.original_cells", "r.message", "r.other_faults")}
    ORDER BY r.upload_id, r.row_number LIMIT {ROWS_AT_ONCE} FOR UPDATE OF r
""")  # noqa: S608 - constants

# Its letter goes when the queue is turned; nobody redrives or corrects it any more.
_ERASE_REJECT: Final = text("""
    UPDATE rejected_rows
    SET cells = CAST(:cells AS jsonb), original_cells = CAST(:original_cells AS jsonb), message = :message,
        other_faults = CAST(:other_faults AS jsonb), discarded_at = coalesce(discarded_at, now())
    WHERE upload_id = :upload_id AND row_number = :row_number
""")

# It is another's, and stays what it is: as the next attempt, so that the letter with the cells of before goes, and one
# with those of now is published in its place.
_ERASE_MENTION: Final = text("""
    WITH changed AS (
        UPDATE rejected_rows
        SET cells = CAST(:cells AS jsonb), original_cells = CAST(:original_cells AS jsonb), message = :message,
            other_faults = CAST(:other_faults AS jsonb), attempt = attempt + 1, dead_at = now()
        WHERE upload_id = :upload_id AND row_number = :row_number
        RETURNING upload_id, row_number, discarded_at
    )
    INSERT INTO unpublished_letters (upload_id, first_row, last_row, dead_at)
    SELECT upload_id, row_number, row_number, now() FROM changed WHERE discarded_at IS NULL
""")

_CORRECTED: Final = text(f"""
    SELECT c.correction_id, c.row_number, CAST(c.cells AS text) AS cells, {LAYOUT_COLUMNS}
    FROM corrected_rows AS c JOIN corrections AS o ON o.id = c.correction_id JOIN uploads AS u ON u.id = o.upload_id
    WHERE (c.correction_id, c.row_number) > (CAST(:correction_id AS uuid), :row_number) AND {may_name("c.cells")}
    ORDER BY c.correction_id, c.row_number LIMIT {ROWS_AT_ONCE} FOR UPDATE OF c
""")  # noqa: S608 - constants

# What still waits is not sent any more.
_ERASE_CORRECTED: Final = text("""
    UPDATE corrected_rows SET cells = CAST(:cells AS jsonb), outcome = coalesce(outcome, 'row_changed')
    WHERE correction_id = :correction_id AND row_number = :row_number
""")

_PREVIEWS: Final = text(f"""
    SELECT found.preview_id, u.id AS upload_id, coalesce(u.status, '') AS status
    FROM (
        SELECT preview_id FROM preview_rejects WHERE {may_name("cells", "message", "other_faults")}
        UNION
        SELECT preview_id FROM preview_notes WHERE {may_name("email", "cells")}
        UNION
        SELECT preview_id FROM preview_names WHERE emails @> ARRAY[:email]
    ) AS found LEFT JOIN uploads AS u ON u.preview_id = found.preview_id
""")  # noqa: S608 - constants

_END_PREVIEW: Final = text("""
    UPDATE uploads
    SET status = 'draft', preview_id = NULL, preview = NULL, preview_requested_at = NULL, revision = revision + 1
    WHERE preview_id = :preview_id AND status = 'previewed'
""")
_DROP_NOTES: Final = text("DELETE FROM preview_notes WHERE preview_id = :preview_id")
_DROP_PREVIEW: Final = text("DELETE FROM upload_previews WHERE id = :preview_id")

_MALFORMED: Final = text(f"""
    SELECT id, body, reason FROM malformed_messages
    WHERE id > CAST(:id AS uuid) AND ({may_name("body", "reason")} OR strpos(body, chr(92) || 'u') > 0)
    ORDER BY id LIMIT 50 FOR UPDATE
""")  # noqa: S608 - constants

_ERASE_MALFORMED: Final = text("""
    UPDATE malformed_messages SET body = :erased, reason = :erased, discarded_at = coalesce(discarded_at, now())
    WHERE id = :id
""")

_OUTCOMES: Final = text(f"DELETE FROM request_outcomes WHERE {may_name('outcome')}")  # noqa: S608 - constants

_NAMES: Final = ("filename", "sheet", "idempotency_key")
_LISTS: Final = ("columns", "preamble")
_DOCUMENTS: Final = ("problem", "options", "absence")

_UPLOADS: Final = text(f"""
    SELECT id, {", ".join((*_NAMES, *_LISTS))}, {", ".join(f"CAST({name} AS text) AS {name}" for name in _DOCUMENTS)}
    FROM uploads WHERE {may_name(*_NAMES, *_LISTS, *_DOCUMENTS)} FOR UPDATE
""")  # noqa: S608 - constants

_ERASE_UPLOAD: Final = text(f"""
    UPDATE uploads
    SET {", ".join(f"{name} = :{name}" for name in (*_NAMES, *_LISTS))},
        {", ".join(f"{name} = CAST(:{name} AS jsonb)" for name in _DOCUMENTS)}, revision = revision + 1
    WHERE id = :id
""")  # noqa: S608 - constants


async def allow_time(connection: AsyncConnection) -> None:
    """For this transaction's searches, each of which reads a whole table."""
    await connection.execute(text("SELECT set_config('statement_timeout', :seconds, true)"), {
        "seconds": f"{SEARCH_SECONDS}s"
    })  # fmt: skip


async def erase_from_rejects(connection: AsyncConnection, people: NamedPeople, email: str) -> int:
    """Also out of those that mention the person in the row of another."""
    erased, key = 0, {"upload_id": _NO_ID, "row_number": 0}
    while rows := await _candidates(connection, _REJECTS, email, key):
        for row in rows:
            erased += await _erase_from_reject(connection, people, row)
        key = {"upload_id": rows[-1].upload_id, "row_number": rows[-1].row_number}
    return erased


async def _erase_from_reject(connection: AsyncConnection, people: NamedPeople, row: Row[Any]) -> int:
    layout, is_broken = layout_of(row), row.code in _BROKEN
    cells, original = _cells(row.cells), _cells(row.original_cells)
    left = people.erase_from_row(cells, layout, is_broken=is_broken)
    before = None if original is None else people.erase_from_row(original, layout, is_broken=is_broken)
    told = people.are_named_in(f"{row.message} {row.other_faults}")
    if left is None and before is None and not told:
        return 0
    is_whole = any(each is not None and each.is_whole for each in (left, before))
    values = {
        "upload_id": row.upload_id,
        "row_number": row.row_number,
        "cells": _json(cells if left is None else left.cells),
        "original_cells": None if original is None else _json(original if before is None else before.cells),
        "message": ERASED_REFUSAL if told else row.message,
        "other_faults": "[]" if told else row.other_faults,
    }
    await connection.execute(_ERASE_REJECT if is_whole else _ERASE_MENTION, values)
    return 1


async def erase_from_corrections(connection: AsyncConnection, people: NamedPeople, email: str) -> int:
    """Waits for the consumer that gives a row its outcome just now."""
    erased, key = 0, {"correction_id": _NO_ID, "row_number": 0}
    while rows := await _candidates(connection, _CORRECTED, email, key):
        for row in rows:
            left = people.erase_from_row(_cells(row.cells), layout_of(row))
            if left is not None:
                named = {"correction_id": row.correction_id, "row_number": row.row_number}
                await connection.execute(_ERASE_CORRECTED, named | {"cells": _json(left.cells)})
                erased += 1
        key = {"correction_id": rows[-1].correction_id, "row_number": rows[-1].row_number}
    return erased


async def end_previews(connection: AsyncConnection, _: NamedPeople, email: str) -> int:
    """Those that know the person; the drafts stay, and can be previewed anew. Raises `MustWait`."""
    found = await _candidates(connection, _PREVIEWS, email, {})
    if under_way := [f"preview of {row.upload_id}" for row in found if row.status == "previewing"]:
        raise MustWait(under_way)
    previews = [row.preview_id for row in found]
    for preview_id in previews:
        named = {"preview_id": preview_id}
        for statement in (_END_PREVIEW, _DROP_NOTES, _DROP_PREVIEW):
            await connection.execute(statement, named)
    return len(previews)


async def erase_from_malformed(connection: AsyncConnection, people: NamedPeople, email: str) -> int:
    """Nothing of such a message is left."""
    erased, key = 0, {"id": _NO_ID}
    while rows := await _candidates(connection, _MALFORMED, email, key):
        for row in rows:
            said = f"{row.body} {row.reason}"
            if people.are_named_in(said) or people.are_named_in(_escaped.sub(_unescape, said)):
                await connection.execute(_ERASE_MALFORMED, {"id": row.id, "erased": ERASED})
                erased += 1
        key = {"id": rows[-1].id}
    return erased


async def erase_from_outcomes(connection: AsyncConnection, _: NamedPeople, email: str) -> int:
    """Answers to single requests."""
    return (await connection.execute(_OUTCOMES, {"email": email, "unseen": UNSEEN})).rowcount


async def erase_from_uploads(connection: AsyncConnection, people: NamedPeople, email: str) -> int:
    """Names of files and columns, lines above headers, and what problems quote."""
    erased = 0
    for row in await _candidates(connection, _UPLOADS, email, {}):
        values = {name: getattr(row, name) for name in (*_NAMES, *_LISTS)}
        documents = {name: getattr(row, name) for name in _DOCUMENTS}
        values |= {name: said and msgspec.json.decode(said) for name, said in documents.items()}
        left = {name: _erase_from_value(people, value) for name, value in values.items()}
        # Its ending, as in `ada@x.example.csv`, would be a part of the email's domain.
        stem, dot, ending = left["filename"].rpartition(".")
        left["filename"] = people.erase_from(stem) + dot + ending
        if people.are_named_in(row.idempotency_key or ""):
            # Half a key is another's key.
            left["idempotency_key"] = None
        if left != values:
            as_json = {name: _json(left[name]) if left[name] is not None else None for name in _DOCUMENTS}
            await connection.execute(_ERASE_UPLOAD, left | as_json | {"id": row.id})
            erased += 1
    return erased


TRACES: Final[dict[str, EraseFrom]] = {
    "rejectedRows": erase_from_rejects,
    "correctedRows": erase_from_corrections,
    "previews": end_previews,
    "malformedMessages": erase_from_malformed,
    "requestOutcomes": erase_from_outcomes,
    "uploads": erase_from_uploads,
}
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"


async def _candidates(
    connection: AsyncConnection, statement: Any, email: str, key: dict[str, Any]
) -> Sequence[Row[Any]]:
    return (await connection.execute(statement, {"email": email, "unseen": UNSEEN, **key})).all()


def _erase_from_value(people: NamedPeople, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _erase_from_value(people, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_erase_from_value(people, each) for each in value]
    return people.erase_from(value) if isinstance(value, str) else value


def _cells(stored: str | None) -> Any:
    return None if stored is None else msgspec.json.decode(stored, type=list[str])


def _json(cells: object) -> str:
    return msgspec.json.encode(cells).decode()


def _unescape(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))
