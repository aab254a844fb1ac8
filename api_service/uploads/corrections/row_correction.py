"""Corrects one rejected row while somebody waits: refused at once if it cannot be right, else sent and waited for.

What is asked stands in the table before it is sent. So whoever waits too long, or loses the connection, finds what
became of it; and what the broker or this process loses is sent again by the runner.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Row

from api_service.http.problems import Problem, ProblemCode
from api_service.uploads.corrections import statements
from api_service.uploads.corrections.corrected_cells import CorrectedCells
from api_service.uploads.corrections.runner import CorrectionRunner, correction_request
from api_service.uploads.corrections.statements import Correction, NewRow, RowOutcome
from api_service.uploads.queries import upload_by_id
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.topology import REQUESTS_EXCHANGE, REQUESTS_QUEUE
from shared.service.backoff import Backoff
from shared.upload_status import FINAL_STATES, UNDO_STATES

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from api_service.settings import ApiSettings
    from shared.amqp.publisher import Publisher
    from shared.service.failpoints import Failpoints

_etag = re.compile(r'(?:W/)?"?([1-9][0-9]{0,8})"?')

log = structlog.get_logger(__name__)

WAIT_SECONDS: Final = 3.0
LOOK_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2)
# The runner takes what is still unfinished then, as when this process has died.
OWN_SECONDS: Final = 10.0


class RowCorrected(NamedTuple):
    """`outcome` is None if nobody knows it yet; `reject` is the row as it is now if it is dead again."""

    upload: Row[Any]
    correction: Correction
    outcome: RowOutcome | None
    reject: Row[Any] | None


class RowCorrector:
    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        runner: CorrectionRunner,
        settings: ApiSettings,
        failpoints: Failpoints,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._runner = runner
        self._settings = settings
        self._failpoints = failpoints

    async def correct(
        self, upload_id: UUID, row_number: int, given: Mapping[str, str] | Sequence[str], *, attempt: int | None
    ) -> RowCorrected:
        """`attempt` is the one that the client saw. Raises `Problem`."""
        async with self._engine.begin() as connection:
            upload = await require_upload(connection, upload_id)
            require_correctable(upload)
            reject = await require_reject(connection, upload, row_number, attempt=attempt)
            require_unsettled(reject)
            cells = _corrected_cells(upload, reject, given)
            correction = await statements.insert_correction(connection, upload_id, seconds=OWN_SECONDS)
            await statements.insert_rows(connection, correction.id, [NewRow(row_number, reject.attempt, cells)])
            correction = await statements.describe_correction(connection, correction.id, total=1)
        self._failpoints.hit("api.correction_stored")
        await self._send(correction, (row_number, reject.attempt, cells))
        outcome = await self._outcome(correction, row_number)
        if outcome is None:
            return RowCorrected(upload, correction, None, None)
        async with self._engine.begin() as connection:
            await statements.finish_correction(connection, correction.id)
            now = await statements.find_reject(connection, upload_id, row_number)
        self._runner.letters_moved()
        if outcome == "row_changed":
            raise row_changed(row_number)
        return RowCorrected(upload, correction, outcome, now if outcome == "rejected" else None)

    async def _send(self, correction: Correction, row: tuple[int, int, list[str]]) -> None:
        # A person waits for it, so it goes where no bulk work stands in front of it.
        try:
            async with asyncio.timeout(self._settings.announce_timeout_seconds):
                await self._publisher.publish(REQUESTS_EXCHANGE, REQUESTS_QUEUE, correction_request(correction, [row]))
        except (BrokerUnavailable, TimeoutError):
            log.warning("correction not sent yet, left to the runner", correction_id=str(correction.id))

    async def _outcome(self, correction: Correction, row_number: int) -> RowOutcome | None:
        looks, until = Backoff(LOOK_SECONDS), time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            await asyncio.sleep(looks.next_seconds())
            async with self._engine.connect() as connection:
                outcome = await statements.outcome_of(connection, correction.id, row_number)
            if outcome is not None:
                return outcome
        return None


async def require_upload(connection: AsyncConnection, upload_id: UUID) -> Row[Any]:
    """Raises `Problem` unknown_upload."""
    upload = await upload_by_id(connection, upload_id)
    if upload is None:
        raise Problem(ProblemCode.UNKNOWN_UPLOAD, "No upload has this id; it may have been deleted.")
    return upload


def require_correctable(upload: Row[Any]) -> None:
    """Raises `Problem` not_finished and already_undone."""
    if upload.status in UNDO_STATES:
        raise Problem(ProblemCode.ALREADY_UNDONE, "Its rows are taken back: send the rejected ones in a new upload.")
    if upload.status not in FINAL_STATES:
        raise Problem(
            ProblemCode.NOT_FINISHED, f"The upload is {upload.status}: its rejected rows can be corrected at its end."
        )


async def require_reject(
    connection: AsyncConnection, upload: Row[Any], row_number: int, *, attempt: int | None = None
) -> Row[Any]:
    """The rejected row, at this attempt if one is given. Raises `Problem`."""
    reject = await statements.find_reject(connection, upload.id, row_number)
    if reject is None and upload.rejected and not await statements.has_rejects(connection, upload.id):
        raise rejects_gone()
    if attempt is not None and (reject is None or attempt != reject.attempt):
        raise row_changed(row_number)
    if reject is None:
        raise Problem(
            ProblemCode.UNKNOWN_REJECT, f"Row {row_number} is no reject: it is in, or the file has no such row."
        )
    return reject


def require_unsettled(reject: Row[Any]) -> None:
    """Raises `Problem` letter_deleted."""
    if reject.discarded_at is not None:
        raise Problem(
            ProblemCode.LETTER_DELETED,
            "Somebody deleted its dead letter, and so settled the row: send it in a new upload if it is wanted.",
        )


def rejects_gone() -> Problem:
    return Problem(ProblemCode.REJECTS_GONE, "Its rejected rows are no longer kept: send the rows in a new upload.")


def seen_attempt(attempt: int | None, if_match: str | None) -> int | None:
    """The attempt that the client saw, of whichever of the two says it. Raises `Problem` invalid_request."""
    if if_match is None or if_match.strip() == "*":
        return attempt
    found = _etag.fullmatch(if_match.strip())
    if found is None or attempt not in (None, int(found[1])):
        detail = 'must be the ETag of the row, such as "1", and say the same as attempt if both are given'
        raise Problem(
            ProblemCode.INVALID_REQUEST,
            f"The header If-Match {detail}.",
            errors=[{"location": "header.If-Match", "detail": detail}],
        )
    return int(found[1])


def row_changed(row_number: int) -> Problem:
    return Problem(
        ProblemCode.ROW_CHANGED,
        f"Row {row_number} was corrected, redriven or settled by somebody else meanwhile, and nothing was done now: "
        "look at it again.",
    )


def _corrected_cells(upload: Row[Any], reject: Row[Any], given: Mapping[str, str] | Sequence[str]) -> list[str]:
    """Raises `Problem` still_rejected, too, if they cannot be right."""
    corrected = CorrectedCells(upload)
    if isinstance(given, Mapping):
        cells = corrected.by_name(reject.cells, given, code=reject.code)
    else:
        cells = corrected.by_position(reject.cells, given)
    if faults := corrected.faults(cells):
        raise Problem(
            ProblemCode.STILL_REJECTED,
            "The row stays as it was: correct what `faults` says.",
            more={"faults": [fault._asdict() for fault in faults]},
        )
    return cells
