"""Notes whom the rows of an upload name that marks leavers, in the transaction that gives the rows their effect.

So whoever is not noted when all rows went in is named by none of them, refused ones among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from shared.rows.named_emails import named_emails

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncConnection

    from consumer_service.row_results import RawRows
    from shared.rows.layout import Layout

# A conflict means that another delivery was faster, which the ledger says next; or that a correction names others.
_NOTE: Final = text("""
    INSERT INTO named_emails AS n (upload_id, first_row, emails, unreadable_rows)
    VALUES (:upload_id, :first_row, CAST(:emails AS text[]), :unreadable_rows)
    ON CONFLICT (upload_id, first_row) DO UPDATE SET emails = n.emails || excluded.emails
""")
_NOTE_PREVIEWED: Final = text("""
    INSERT INTO preview_names (preview_id, first_row, emails, unreadable_rows)
    VALUES (:preview_id, :first_row, CAST(:emails AS text[]), :unreadable_rows)
    ON CONFLICT DO NOTHING
""")


async def note_named_emails(
    connection: AsyncConnection, upload_id: uuid.UUID, first_row: int, rows: RawRows, layout: Layout
) -> None:
    """`first_row` is that of their chunk."""
    await connection.execute(_NOTE, {"upload_id": upload_id} | _named(first_row, rows, layout))


async def note_previewed_emails(
    connection: AsyncConnection, preview_id: int, first_row: int, rows: RawRows, layout: Layout
) -> None:
    """As `note_named_emails`, of a chunk of a preview."""
    await connection.execute(_NOTE_PREVIEWED, {"preview_id": preview_id} | _named(first_row, rows, layout))


def _named(first_row: int, rows: RawRows, layout: Layout) -> dict[str, object]:
    named = named_emails(rows.cells, layout, rows.faults)
    return {"first_row": first_row, "emails": list(named.keys), "unreadable_rows": named.unreadable_rows}
