"""What is kept for how long, by which setting, and how much of it is due to be deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import Field
from sqlalchemy import TextClause, text

from api_service.http.json_model import JsonModel

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from api_service.settings import ApiSettings

# What becomes due until then is shown as soon.
SOON: Final = timedelta(days=7)
# Beyond this a count is not worth its time.
COUNTED: Final = 100_000


class Kept(JsonModel):
    """One kind of thing that goes when its time is over."""

    what: str = Field(examples=["files"])
    title: str = Field(description="The same in words.", examples=["Dead letters"])
    setting: str = Field(
        description="The setting that says for how long.", examples=["ROLLCALL_API_FILE_RETENTION_DAYS"]
    )
    kept_seconds: float = Field(description="From the end of its upload on, or of what else it belongs to.")
    held: int = Field(description=f"How many there are, up to {COUNTED:,}, but for those whose time has not begun.")
    due: int = Field(description="Those whose time is over: the next turn of the retention deletes them.")
    due_soon: int = Field(description="Those whose time is over within a week from now, besides these.")
    oldest: datetime | None = Field(description="When the time of the oldest began.")


class Retention(JsonModel):
    """Everything that is not kept for good."""

    interval_seconds: float = Field(description="How often what is due is deleted.")
    kept: list[Kept]


class _Kind(NamedTuple):
    what: str
    title: str
    setting: str
    begin: str  # SQL: when the time of each begins
    rows: str

    @property
    def statement(self) -> TextClause:
        return text(f"""
            SELECT count(*) AS held, min(began) AS oldest,
                   count(*) FILTER (WHERE began < now() - make_interval(secs => :kept)) AS due,
                   count(*) FILTER (WHERE began < now() + make_interval(secs => :soon - :kept)) AS due_soon
            FROM (SELECT {self.begin} AS began FROM {self.rows} LIMIT {COUNTED}) AS each
        """)  # noqa: S608 - constants of this module


_KINDS: Final = (
    _Kind(
        "files",
        "Stored files, and results of their rows",
        "file_retention_days",
        "finished_at",
        "uploads WHERE finished_at IS NOT NULL AND file_deleted_at IS NULL",
    ),
    _Kind("drafts", "Drafts", "draft_retention_hours", "created_at", "uploads WHERE status IN ('draft', 'previewed')"),
    _Kind(
        "undo",
        "Uploads that can be undone",
        "undo_retention_days",
        "finished_at",
        "uploads WHERE finished_at IS NOT NULL AND undo_expired_at IS NULL AND status <> 'undone'",
    ),
    _Kind(
        "rejects",
        "Rejected rows",
        "reject_retention_days",
        "u.finished_at",
        "rejected_rows AS r JOIN uploads AS u ON u.id = r.upload_id WHERE u.finished_at IS NOT NULL",
    ),
    _Kind(
        "deadLetters",
        "Dead letters",
        "dead_letter_retention_days",
        "u.finished_at",
        "rejected_rows AS r JOIN uploads AS u ON u.id = r.upload_id"
        " WHERE u.finished_at IS NOT NULL AND r.discarded_at IS NULL",
    ),
    _Kind("malformedMessages", "Malformed messages", "dead_letter_retention_days", "dead_at", "malformed_messages"),
    _Kind(
        "corrections",
        "Corrections",
        "reject_retention_days",
        "finished_at",
        "corrections WHERE finished_at IS NOT NULL",
    ),
    _Kind("audit", "Entries of the audit", "audit_retention_days", "at", "audit_entries"),
)


def kept_for(settings: ApiSettings, name: str) -> timedelta:
    """The setting's name has its unit at its end. What has no time of its own has that of what it is part of."""
    value = getattr(settings, name)
    if value is None:
        return kept_for(settings, _PART_OF[name])
    return timedelta(hours=value) if name.endswith("hours") else timedelta(days=value)


_PART_OF: Final = {"undo_retention_days": "file_retention_days", "dead_letter_retention_days": "reject_retention_days"}


async def read_retention(connection: AsyncConnection, settings: ApiSettings) -> Retention:
    """As of now."""
    kept = [await _read(connection, settings, kind) for kind in _KINDS]
    return Retention(interval_seconds=settings.retention_interval_seconds, kept=kept)


async def _read(connection: AsyncConnection, settings: ApiSettings, kind: _Kind) -> Kept:
    seconds = kept_for(settings, kind.setting).total_seconds()
    parameters = {"kept": seconds, "soon": SOON.total_seconds()}
    found: Row[Any] = (await connection.execute(kind.statement, parameters)).one()
    return Kept(
        what=kind.what,
        title=kind.title,
        setting=_variable(kind.setting),
        kept_seconds=seconds,
        held=found.held,
        due=found.due,
        due_soon=found.due_soon - found.due,
        oldest=found.oldest,
    )


def _variable(name: str) -> str:
    return "ROLLCALL_DRAFT_RETENTION_HOURS" if name == "draft_retention_hours" else f"ROLLCALL_API_{name.upper()}"
