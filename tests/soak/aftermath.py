"""What becomes of uploads after their end: rejects are corrected, whole uploads are undone, and files say who has left.

What is to come of it follows from the reference and from nothing that the services say.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import httpx2

from shared.rows.fields import FIELDS
from tests.soak.patience import patiently
from tests.support.reference import Expected, ExpectedEmployee
from tests.support.uploads import send

ANSWER_SECONDS: Final = 90
STUCK_SECONDS: Final = 120
CORRECTED_AT_MOST: Final = 8
PEOPLE: Final = 150
HEADER: Final = "employee_name,company_name,mobile_no,email"

Json = dict[str, Any]


class Aftermath:
    """Asks the APIs in turn, however often it takes: what is asked twice must have its effect once."""

    def __init__(self, apis: Iterator[httpx2.AsyncClient]) -> None:
        self._apis = apis

    async def correct(self, upload_id: str, expected: Expected, key: str) -> Expected:
        """The reference once the first rejects are corrected to people whom nobody else has; this is done by then."""
        rows = [reject.row_number for reject in expected.rejects[:CORRECTED_AT_MOST]]
        await asyncio.gather(*(self._correct_row(upload_id, row, expected.columns, key) for row in rows))
        mended = corrected(expected, key)

        async def are_in() -> bool:
            return bool((await self.state(upload_id))["rejected"] == len(mended.rejects))

        await self._until(are_in, f"corrections of {upload_id}")
        return mended

    async def undo(self, upload_id: str) -> Json:
        """The undone upload."""

        async def ask() -> None:
            answer = await next(self._apis).post(f"/v1/uploads/{upload_id}/undo")
            # An answer that was lost was that it is being undone.
            if answer.status_code != 409:
                assert not answer.is_client_error, answer.text
                answer.raise_for_status()

        await patiently(ask, seconds=ANSWER_SECONDS)

        async def is_undone() -> bool:
            return bool((await self.state(upload_id))["status"] == "undone")

        await self._until(is_undone, f"undo of {upload_id}")
        return await self.state(upload_id)

    async def leave(self, company: str) -> list[str]:
        """Two files about one company, the second of which lacks some; all of it is taken back in the end."""
        people = [f"{company} {n},{company},+44 20 7946 {n:04d},{n}@{company.lower()}.example" for n in range(PEOPLE)]
        gone = people[2 * PEOPLE // 3 :]
        options = {"absent": "deactivate", "absentScope": company, "absentAtMost": str(len(gone))}
        # One more who is lacking is one too many.
        files: Sequence[tuple[str, list[str], dict[str, str]]] = (
            ("all", people, {}),
            ("few", people[: PEOPLE // 3], options),
            ("most", people[: 2 * PEOPLE // 3], options),
        )
        uploads = [await self._finished(company, name, lines, form) for name, lines, form in files]
        found = [f"{company}: {upload['status']}" for upload in uploads if upload["status"] == "failed"]
        counts = [upload["deactivated"] for upload in uploads]
        if counts != [0, 0, len(gone)]:
            found.append(f"{company}: {counts} have left, not {[0, 0, len(gone)]}")
        code = (uploads[1]["problem"] or {}).get("code")
        if code != "too_many_absent":
            found.append(f"{company}: {code} instead of too_many_absent")
        found += await self._list_differences(company, gone, uploads[2]["id"])
        for upload in reversed(uploads):
            undone = await self.undo(upload["id"])
            found += undo_differences(undone)
        return found + await self._list_differences(company, [], uploads[2]["id"], listed=len(gone))

    async def state(self, upload_id: str) -> Json:
        return await self._json(f"/v1/uploads/{upload_id}")

    async def _finished(self, company: str, name: str, lines: Sequence[str], form: dict[str, str]) -> Json:
        content = "\n".join([HEADER, *lines, ""]).encode()

        async def attempt() -> str:
            answer = await send(next(self._apis), content, key=f"{company}-{name}", **form)
            assert not answer.is_client_error, answer.text
            return str(answer.raise_for_status().json()["id"])

        upload_id = await patiently(attempt, seconds=ANSWER_SECONDS)

        async def is_finished() -> bool:
            return (await self.state(upload_id))["finishedAt"] is not None

        await self._until(is_finished, f"{company}, {name}")
        return await self.state(upload_id)

    async def _list_differences(
        self, company: str, gone: Sequence[str], upload_id: str, *, listed: int | None = None
    ) -> list[str]:
        """Who has left, as the search hides them, and as the upload lists them."""
        path = f"/v1/employees?limit=1000&searchTerm={company.lower()}.example"
        there, everybody = await self._json(path), await self._json(f"{path}&left=include")
        emails = [{each["email"] for each in page["data"]} for page in (there, everybody)]
        found = []
        if emails[1] - emails[0] != {line.rpartition(",")[2] for line in gone}:
            found.append(f"{company}: {len(emails[1] - emails[0])} are hidden, not {len(gone)}")
        rows = await self._json(f"/v1/uploads/{upload_id}/rows?outcome=deactivated&limit=1000")
        if len(rows["data"]) != (len(gone) if listed is None else listed):
            found.append(f"{company}: {len(rows['data'])} are listed as deactivated")
        return found

    async def _correct_row(self, upload_id: str, row_number: int, columns: Sequence[str], key: str) -> None:
        values = _values(row_number, key)
        cells = [values.get(column, "") for column in columns]

        async def ask() -> None:
            answer = await next(self._apis).patch(
                f"/v1/uploads/{upload_id}/rejects/{row_number}", json={"cells": cells, "attempt": 1}
            )
            # An answer that was lost was that it is in, or on its way.
            if answer.status_code not in (404, 409):
                assert not answer.is_client_error, answer.text
                answer.raise_for_status()

        await patiently(ask, seconds=ANSWER_SECONDS)

    async def _json(self, path: str) -> Json:
        async def attempt() -> Json:
            document: Json = (await next(self._apis).get(path)).raise_for_status().json()
            return document

        return await patiently(attempt, seconds=ANSWER_SECONDS)

    async def _until(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + STUCK_SECONDS
        while not await condition():
            assert time.monotonic() < deadline, f"no end of {what} within {STUCK_SECONDS} s"
            await asyncio.sleep(0.3)


def corrected(expected: Expected, key: str) -> Expected:
    """The reference of an upload whose first rejects were corrected."""
    mended, left = expected.rejects[:CORRECTED_AT_MOST], expected.rejects[CORRECTED_AT_MOST:]
    for reject in mended:
        values = _values(reject.row_number, key)
        employee = ExpectedEmployee(reject.row_number, tuple(values[field.name] for field in FIELDS))
        expected.employees[employee.key] = employee
        expected.fates[reject.row_number - 1] = "inserted"
    expected.inserted += len(mended)
    expected.rejects = left
    return expected


def undo_differences(upload: Json) -> list[str]:
    """P10, of an upload whose people nobody else touches."""
    wanted = {
        "deleted": upload["inserted"],
        "restored": upload["updated"] + upload["deactivated"],
        "kept": 0,
    }
    return [f"undone, {name}: {upload[name]}, not {value}" for name, value in wanted.items() if upload[name] != value]


def _values(row_number: int, key: str) -> dict[str, str]:
    """As they are stored; no file of a soak has them."""
    own = {
        "employee_name": f"Mended {row_number}",
        "company_name": "Mended & Sons",
        "mobile_no": f"+44207946{row_number:05d}",
        "email": f"mended.{key}.{row_number}@mended.example",
    }
    others = {field.name: field.stored_example for field in FIELDS if field.name not in own}
    return {**others, **own}


def company_names() -> Iterator[str]:
    """Of companies that no other file has."""
    return (f"Leavers{number}" for number in itertools.count(1))
