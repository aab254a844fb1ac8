"""Keeps uploading mixed files in all modes, corrects and undoes some of them, and holds each to its own reference."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg

from shared.upload_status import FINAL_STATES
from tests.soak.aftermath import Aftermath, company_names, corrected, undo_differences
from tests.soak.letters import Letters
from tests.soak.patience import PASSING, patiently
from tests.soak.stage import Stage
from tests.soak.verdict import Verdict
from tests.support.checker import (
    count_differences,
    domain_differences,
    report_differences,
    result_differences,
    share_differences,
)
from tests.support.mixed_file import write_mixed_file
from tests.support.plain_http import plain_client
from tests.support.reference import Expected, ExpectedEmployee, Mode, read_top_to_bottom
from tests.support.uploads import send

# So many emails nobody else uses, file after file.
PEOPLE_A_LINE: Final = 100_000_000
MODES: Final[tuple[Mode, ...]] = ("skip", "update", "reject")
OPTIONAL: Final = ("mobile_no", "company_name")
SIZES: Final = (1, 40, 300, 2_000, 2_000, 5_000, 10_000)
# An upload that does not get on for so long is stuck, however many faults there were meanwhile.
STUCK_SECONDS: Final = 120
LEAVERS_SHARE: Final = 0.2
ANSWER_SECONDS: Final = 90


class Plan(NamedTuple):
    """A file, as a few numbers from which it can be written again."""

    first_person: int
    rows: int
    seed: int
    bad_share: float
    duplicate_share: float
    mode: Mode

    @property
    def is_previewed(self) -> bool:
        return self.seed % 6 == 0

    @property
    def key(self) -> str:
        return f"{self.first_person}-{self.seed}"

    @property
    def optional(self) -> tuple[str, ...]:
        return OPTIONAL if self.seed % 5 == 0 else ()

    @property
    def is_corrected(self) -> bool:
        return self.seed % 2 == 0

    @property
    def is_undone_last(self) -> bool:
        """Whether it is undone once it is the last of its history, and corrected."""
        return self.seed % 7 < 2

    @property
    def is_draft_first(self) -> bool:
        return self.seed % 3 == 0

    def write(self, path: Path) -> None:
        write_mixed_file(
            path,
            self.rows,
            bad_share=self.bad_share,
            duplicate_share=self.duplicate_share,
            seed=self.seed,
            first_person=self.first_person,
            lacking=self.optional,
        )


class History(NamedTuple):
    """Files about the same people, in the order in which they were uploaded; each upload's id, once it has one."""

    plans: list[Plan]
    upload_ids: list[str]


class Uploads:
    """One line after another of histories; those that are finished can be checked again in the end."""

    def __init__(self, stage: Stage, letters: Letters, verdict: Verdict, folder: Path) -> None:
        self._stage = stage
        self._letters = letters
        self._verdict = verdict
        self._folder = folder
        apis = stage.services.of("api_service")
        self._apis = itertools.cycle([plain_client(api.url, timeout=20) for api in apis])
        self._aftermath = Aftermath(self._apis)
        self._companies = company_names()
        self._histories: list[History] = []
        self.under_way = 0

    async def run_line(self, number: int, chance: random.Random, until: float) -> None:
        """Upload until this time of the loop's clock, and see the last one to its end."""
        people = number * PEOPLE_A_LINE
        while asyncio.get_running_loop().time() < until:
            plans = list(_plans(people + 1, chance))
            people += max(plan.rows for plan in plans)
            history = History(plans, [])
            table: dict[str, ExpectedEmployee] = {}
            path = self._folder / f"line-{number}.csv"
            for plan in plans:
                expected = await asyncio.to_thread(_expect, plan, path, table)
                if not await self._bring_to_its_end(plan, history, path, expected, table):
                    return
                table = expected.employees
            self._histories.append(history)
            if chance.random() < LEAVERS_SHARE and not await self._leave():
                return

    async def check_again(self) -> None:
        """What is in the table of every history, now that nothing moves any more, and that nothing else is there."""
        path = self._folder / "again.csv"
        employees = 0
        for plans, upload_ids in self._histories:
            expected = Expected([], {})
            for plan, upload_id in zip(plans, upload_ids, strict=True):
                before = expected.employees
                expected = await asyncio.to_thread(_expect, plan, path, before)
                if plan.is_corrected:
                    expected = corrected(expected, plan.key)
                upload = await self._state(upload_id)
                if plan is plans[-1] and plan.is_undone_last:
                    self._verdict.differs(upload_id, undo_differences(upload))
                    expected.employees = before
                else:
                    self._verdict.differs(upload_id, count_differences(upload, expected))
            self._verdict.differs(upload_id, await self._share_differences(upload_id, expected))
            employees += len(expected.employees)
        database = await asyncpg.connect(self._stage.postgres.url)
        found, counted = await database.fetchrow(
            "SELECT (SELECT count(*) FROM employees), (SELECT sum(total)::bigint FROM employee_totals)"
        ) or (None, None)
        if not found == counted == employees and not self._verdict.differences:
            self._verdict.differs("the table", [f"{found} employees, counted as {counted}: {employees} expected"])
        self._verdict.differs("the table", await domain_differences(database))
        await database.close()

    async def _bring_to_its_end(
        self, plan: Plan, history: History, path: Path, expected: Expected, before: dict[str, ExpectedEmployee]
    ) -> bool:
        """False when it got stuck: its line ends, because nothing can be said of what would follow."""
        self.under_way += 1
        subject = f"{plan}"
        try:
            upload_id = await self._upload(plan, await asyncio.to_thread(path.read_bytes))
            history.upload_ids.append(upload_id)
            subject = f"{plan}, upload {upload_id}"
            upload = await self._until_finished(upload_id)
            self._verdict.finished(plan.rows)
            self._verdict.differs(subject, await self._differences(upload, expected))
            await self._go_on(plan, history, expected, before)
        except (*PASSING, AssertionError) as error:
            self._verdict.differs(subject, [f"stuck: {error!r}"])
            return False
        finally:
            self.under_way -= 1
        return True

    async def _go_on(
        self, plan: Plan, history: History, expected: Expected, before: dict[str, ExpectedEmployee]
    ) -> None:
        """Correct its rejects, and undo it if it is the last of its history."""
        upload_id = history.upload_ids[-1]
        subject = f"{plan}, upload {upload_id}"
        if plan.is_corrected:
            expected = await self._aftermath.correct(upload_id, expected, plan.key)
            upload = await self._state(upload_id)
            self._verdict.differs(f"{subject}, corrected", await self._told_differences(upload, expected))
        if plan is history.plans[-1] and plan.is_undone_last:
            undone = await self._aftermath.undo(upload_id)
            expected.employees = before
            differences = undo_differences(undone) + await self._share_differences(upload_id, expected)
            self._verdict.differs(f"{subject}, undone", differences)

    async def _leave(self) -> bool:
        """As `_bring_to_its_end`, of a company whose people leave."""
        self.under_way += 1
        company = next(self._companies)
        try:
            self._verdict.differs(company, await self._aftermath.leave(company))
        except (*PASSING, AssertionError) as error:
            self._verdict.differs(company, [f"stuck: {error!r}"])
            return False
        finally:
            self.under_way -= 1
        return True

    async def _upload(self, plan: Plan, content: bytes) -> str:
        """However often the API has to be asked: with its key it is one upload. Some are drafts first."""
        said = {"onDuplicate": plan.mode, **({"optional": ",".join(plan.optional)} if plan.optional else {})}
        form = {"start": "draft"} if plan.is_draft_first else said

        async def attempt() -> str:
            answer = await send(next(self._apis), content, key=plan.key, **form)
            assert not answer.is_client_error, answer.text
            return str(answer.raise_for_status().json()["id"])

        upload_id = await patiently(attempt, seconds=ANSWER_SECONDS)
        if plan.is_draft_first:
            await patiently(lambda: self._change(upload_id, said), seconds=ANSWER_SECONDS)
            if plan.is_previewed:
                await self._preview(upload_id)
            await patiently(lambda: self._start(upload_id), seconds=ANSWER_SECONDS)
        return upload_id

    async def _change(self, upload_id: str, said: dict[str, str]) -> None:
        answer = await next(self._apis).patch(f"/v1/uploads/{upload_id}", json=said, headers={"If-Match": "*"})
        assert not answer.is_client_error, answer.text
        answer.raise_for_status()

    async def _preview(self, upload_id: str) -> None:
        async def attempt() -> None:
            answer = await next(self._apis).post(f"/v1/uploads/{upload_id}/preview")
            assert not answer.is_client_error, answer.text
            answer.raise_for_status()

        await patiently(attempt, seconds=ANSWER_SECONDS)
        last_progress, rows_done = time.monotonic(), 0
        while (upload := await self._state(upload_id))["status"] == "previewing":
            if upload["preview"]["rowsDone"] > rows_done:
                last_progress, rows_done = time.monotonic(), upload["preview"]["rowsDone"]
            assert time.monotonic() < last_progress + STUCK_SECONDS, f"no progress for {STUCK_SECONDS} s: {upload}"
            await asyncio.sleep(0.3)

    async def _start(self, upload_id: str) -> None:
        answer = await next(self._apis).post(f"/v1/uploads/{upload_id}/start")
        # An answer that was lost was that it is started.
        if answer.status_code != 409:
            assert not answer.is_client_error, answer.text
            answer.raise_for_status()

    async def _until_finished(self, upload_id: str) -> dict[str, Any]:
        last_progress = time.monotonic()
        rows_done = 0
        while (upload := await self._state(upload_id))["status"] not in FINAL_STATES:
            if upload["rowsDone"] > rows_done:
                rows_done, last_progress = upload["rowsDone"], time.monotonic()
            assert time.monotonic() < last_progress + STUCK_SECONDS, f"no progress for {STUCK_SECONDS} s: {upload}"
            await asyncio.sleep(0.3)
        return upload

    async def _state(self, upload_id: str) -> dict[str, Any]:
        return await self._aftermath.state(upload_id)

    async def _differences(self, upload: dict[str, Any], expected: Expected) -> list[str]:
        return [
            *await self._told_differences(upload, expected),
            # Before anything is corrected, which no preview could say.
            *_preview_differences(upload),
            *await self._letters.differences(upload["id"], expected, seconds=ANSWER_SECONDS),
        ]

    async def _told_differences(self, upload: dict[str, Any], expected: Expected) -> list[str]:
        """All but the dead letters, which come once and go."""

        async def report() -> str:
            return (await next(self._apis).get(f"/v1/uploads/{upload['id']}/rejects.csv")).raise_for_status().text

        async def results() -> str:
            return (await next(self._apis).get(f"/v1/uploads/{upload['id']}/results.csv")).raise_for_status().text

        lines = csv.reader(
            io.StringIO((await patiently(results, seconds=ANSWER_SECONDS))[1:], newline=""),
            delimiter=upload["delimiter"],
        )
        return [
            *count_differences(upload, expected),
            *await self._share_differences(upload["id"], expected),
            *report_differences(await patiently(report, seconds=ANSWER_SECONDS), expected, upload["delimiter"]),
            *result_differences(lines, expected),
        ]

    async def _share_differences(self, upload_id: str, expected: Expected) -> list[str]:
        async def attempt() -> list[str]:
            database = await asyncpg.connect(self._stage.postgres.url, timeout=10)
            try:
                return await share_differences(database, expected, upload_id)
            finally:
                await database.close(timeout=5)

        return await patiently(attempt, seconds=ANSWER_SECONDS)


def _preview_differences(upload: dict[str, Any]) -> list[str]:
    """Nobody else has these people's emails, so what a preview said is what was done."""
    preview = upload["preview"]
    if preview is None:
        return []
    return [
        f"{name} of the preview: {preview[name]}, not {upload[name]}"
        for name in ("rowsRead", "blankRows", "inserted", "updated", "duplicates", "rejected", "rejectedBy")
        if preview[name] != upload[name]
    ]


def _plans(first_person: int, chance: random.Random) -> Iterator[Plan]:
    """One file, or two about the same people."""
    plan = Plan(
        first_person,
        rows=chance.choice(SIZES),
        seed=chance.randrange(2**32),
        bad_share=chance.choice((0, 0.01, 0.05)),
        duplicate_share=chance.choice((0, 0.05, 0.3)),
        mode=chance.choice(MODES),
    )
    yield plan
    if chance.random() < 0.3:
        yield plan._replace(rows=chance.choice(SIZES), seed=chance.randrange(2**32), mode=chance.choice(MODES))


def _expect(plan: Plan, path: Path, before: dict[str, ExpectedEmployee]) -> Expected:
    plan.write(path)
    return read_top_to_bottom(path, plan.mode, before, optional=plan.optional)
