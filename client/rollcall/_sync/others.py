# Made from rollcall/_async/others.py by `python -m tools.sync_client`: change that.
"""Methods about employees, dead letters, and the system itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rollcall._sync.calls_base import Calls
from rollcall._sync.reading import Download, Pages
from rollcall._sync.transport import path_of
from rollcall._sync.uploads import UploadId, id_of
from rollcall.calls import calls
from rollcall.models import (
    DeadLetter,
    DeadLetterListing,
    Employee,
    EmployeeHistory,
    Erasure,
    Foreseen,
    Job,
    Listing,
    Retention,
    Status,
    StatusHistory,
)
from rollcall.pauses import pause


class EmployeeCalls(Calls):
    @calls("listEmployees")
    def employees(
        self, *, search: str | None = None, upload: UploadId | None = None, with_left: bool = False
    ) -> Pages[Employee]:
        """All employees, or those whose name or email has `search` in it, or as an upload left them.

        `with_left`: those too who have left since.
        """
        params = {"searchTerm": search, "uploadId": _id_or_none(upload), "left": _left(with_left)}
        return self._pages(path_of("employees"), Listing[Employee], **params)

    @calls("getEmployee")
    def employee(self, employee_id: int) -> Employee:
        return self._transport.call("GET", path_of("employees", employee_id), Employee)

    @calls("getEmployeeHistory")
    def employee_history(self, employee_id: int) -> EmployeeHistory:
        """What an employee was before uploads replaced it."""
        return self._transport.call("GET", path_of("employees", employee_id, "history"), EmployeeHistory)

    @calls("deleteEmployee")
    def delete_employee(self, employee_id: int) -> None:
        self._transport.call("DELETE", path_of("employees", employee_id), type(None))

    @calls("exportEmployees")
    def export(self, *, search: str | None = None, with_left: bool = False) -> Download:
        """The employees as CSV."""
        params = {"searchTerm": search, "left": _left(with_left)}
        return Download(self._transport, "/v1/employees.csv", params)


class DeadLetterCalls(Calls):
    @calls("listDeadLetters")
    def dead_letters(
        self,
        *,
        upload: UploadId | None = None,
        code: str | None = None,
        dead_from: datetime | None = None,
        dead_before: datetime | None = None,
    ) -> Pages[DeadLetter]:
        """The oldest first. Times have a zone."""
        params = _filter(upload, code, dead_from, dead_before)
        return self._pages(path_of("dead-letters"), DeadLetterListing, **params)

    @calls("redriveDeadLetters")
    def redrive(
        self,
        *,
        upload: UploadId | None = None,
        code: str | None = None,
        dead_from: datetime | None = None,
        dead_before: datetime | None = None,
        message_ids: Sequence[str] | None = None,
        limit: int | None = None,
        everything: bool = False,
    ) -> Job:
        """Try rejected rows again: all that match, the oldest so many, those named, or `everything`."""
        matching = _filter(upload, code, dead_from, dead_before)
        order = _order(matching, message_ids, everything) | ({} if limit is None else {"limit": limit})
        return self._transport.call("POST", path_of("dead-letters", "redrive"), Job, json=order)

    @calls("deleteDeadLetters")
    def discard(
        self,
        *,
        upload: UploadId | None = None,
        code: str | None = None,
        dead_from: datetime | None = None,
        dead_before: datetime | None = None,
        message_ids: Sequence[str] | None = None,
        everything: bool = False,
    ) -> Job:
        """Delete dead letters; their rows are settled then, and can be neither redriven nor corrected."""
        order = _order(_filter(upload, code, dead_from, dead_before), message_ids, everything)
        return self._transport.call("DELETE", path_of("dead-letters"), Job, json=order)

    @calls("getDeadLetterJob")
    def job(self, job_id: str) -> Job:
        return self._transport.call("GET", path_of("dead-letters", "jobs", job_id), Job)

    @calls("cancelDeadLetterJob")
    def cancel_job(self, job_id: str) -> Job:
        return self._transport.call("DELETE", path_of("dead-letters", "jobs", job_id), Job)

    def finished_job(self, job: Job, *, every_seconds: float = 0.5) -> Job:
        """It, as soon as it is done or stopped."""
        while not job.is_finished:
            pause(every_seconds)
            job = self.job(job.id)
        return job


class ErasureCalls(Calls):
    @calls("erasePerson")
    def erase(self, email: str) -> Erasure:
        """Out of everything, and not taken again. Look at it again until it is finished: `finished_erasure`."""
        return self._transport.call("POST", path_of("erasures"), Erasure, json={"email": email})

    @calls("foreseeErasure")
    def foresee_erasure(self, email: str) -> Foreseen:
        """How much there is of a person. Nothing is done."""
        return self._transport.call("POST", path_of("erasure-search"), Foreseen, json={"email": email})

    @calls("listErasures")
    def erasures(self) -> Pages[Erasure]:
        """The newest first."""
        return self._pages(path_of("erasures"), Listing[Erasure])

    @calls("getErasure")
    def erasure(self, erasure_id: str) -> Erasure:
        return self._transport.call("GET", path_of("erasures", erasure_id), Erasure)

    @calls("allowErasedPerson")
    def allow_erased(self, erasure_id: str) -> None:
        """Take rows of the person again."""
        self._transport.call("DELETE", path_of("erasures", erasure_id, "suppression"), type(None))

    def finished_erasure(self, erasure: Erasure, *, every_seconds: float = 0.5) -> Erasure:
        """Its certificate, as soon as it is done."""
        while not erasure.is_finished:
            pause(every_seconds)
            erasure = self.erasure(erasure.id)
        return erasure


class OperationCalls(Calls):
    @calls("getStatus")
    def status(self) -> Status:
        """Queues, uploads by state, what is wrong, and versions."""
        return self._transport.call("GET", path_of("status"), Status)

    @calls("getStatusHistory")
    def status_history(self) -> StatusHistory:
        """The last hour: queues and rows a second."""
        return self._transport.call("GET", path_of("status", "history"), StatusHistory)

    @calls("getRetention")
    def retention(self) -> Retention:
        """What is kept for how long, and what is due to be deleted."""
        return self._transport.call("GET", path_of("retention"), Retention)

    @calls("livez")
    def live(self) -> dict[str, Any]:
        """The process answers."""
        return self._transport.call("GET", "/livez", dict[str, Any])

    @calls("readyz")
    def ready(self) -> dict[str, Any]:
        """Uploads can be taken. Raises NotNow or UnexpectedAnswer if they cannot."""
        return self._transport.call("GET", "/readyz", dict[str, Any])

    @calls("metrics")
    def metrics(self) -> str:
        """For Prometheus."""
        return (self._transport.send("GET", "/metrics")).text


def _filter(
    upload: UploadId | None, code: str | None, dead_from: datetime | None, dead_before: datetime | None
) -> dict[str, str]:
    said = {
        "uploadId": _id_or_none(upload),
        "code": code,
        "deadFrom": None if dead_from is None else dead_from.isoformat(),
        "deadBefore": None if dead_before is None else dead_before.isoformat(),
    }
    return {name: value for name, value in said.items() if value is not None}


def _order(matching: dict[str, str], message_ids: Sequence[str] | None, everything: bool) -> dict[str, Any]:
    named = {} if message_ids is None else {"messageIds": list(message_ids)}
    return {**matching, **named, **({"all": True} if everything else {})}


def _id_or_none(upload: UploadId | None) -> str | None:
    return None if upload is None else id_of(upload)


def _left(is_included: bool) -> str | None:
    return "include" if is_included else None
