"""The Python client and the whole system: an upload from its file to its undo, through a restart of the API."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

import rollcall
from tests.support.failpoint_settings import API, killing_api
from tests.support.mixed_file import person
from tests.support.patience import patience
from tests.support.services import KILLED, Services
from tests.support.system import System

HEADER = "employee_name,company_name,mobile_no,email"
# Two rows that are refused, for a cell each.
BAD_ROWS = {3: "no number", 7: "nor this"}
ROWS = 10


def lines(*, begin: int = 1) -> Iterator[str]:
    yield HEADER
    for number in range(begin, begin + ROWS):
        who = person(number)
        mobile = BAD_ROWS.get(number - begin + 1, who.mobile)
        yield f"{who.name},{who.company},{mobile},{who.email}"


async def test_upload_is_followed_corrected_and_undone(services: Services, system: System, tmp_path: Path) -> None:
    await services.start_all(consumers=1)
    file = tmp_path / "staff.csv"
    file.write_text("\n".join(lines()))
    sent: list[tuple[int, int | None]] = []
    async with rollcall.AsyncClient(services.api_url) as rc, asyncio.timeout(120 * patience()):
        upload = await rc.upload(file, on_bytes=lambda *of: sent.append(of))
        assert (upload.filename, sent[-1]) == ("staff.csv", (file.stat().st_size, file.stat().st_size))
        seen = [each async for each in upload.watch()]
        done = seen[-1]
        assert (done.status, done.rows_read, done.inserted, done.rejected) == ("partially_succeeded", ROWS, 8, 2)
        assert [each.revision for each in seen] == sorted({each.revision for each in seen})

        results = [(row.row_number, row.outcome) async for row in done.results()]
        assert results == [(n, "rejected" if n in BAD_ROWS else "inserted") for n in range(1, ROWS + 1)]
        assert [row.row_number async for row in done.results(outcome=["rejected", "duplicate"])] == list(BAD_ROWS)
        rejects = {row.row_number: row async for row in done.rejects()}
        assert {number: row.code for number, row in rejects.items()} == dict.fromkeys(BAD_ROWS, "invalid_mobile")
        assert [each.code async for each in rc.dead_letters(upload=done)] == ["invalid_mobile"] * 2
        redriven = await rc.finished_job(await rc.redrive(upload=done))
        assert (redriven.state, redriven.total, redriven.done) == ("succeeded", 2, 2)

        with pytest.raises(rollcall.StillRejected) as still:
            await done.correct_row(3, {"mobile_no": "still none"})
        assert [fault.field for fault in still.value.faults] == ["mobile_no"]
        corrected = await done.correct_row(3, {"mobile_no": "+44 20 7946 0018"})
        known = await rc.finished_correction(await rc.correction(done, corrected.correction_id))
        assert (corrected.row_number, known.inserted) == (3, 1)

        report = (await done.rejects_csv().read()).decode("utf-8-sig")
        rows = [dict(row) for row in csv.DictReader(io.StringIO(report))]
        for row in rows:
            row["mobile_no"] = "+44 20 7946 0019"
        mended = io.StringIO()
        writer = csv.DictWriter(mended, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        correction = await rc.finished_correction(await done.correct(mended.getvalue().encode()))
        assert (correction.state, correction.inserted, correction.rejected) == ("succeeded", 1, 0)
        assert (await done.refresh()).status == "succeeded"
        assert [row.row_number async for row in rc.corrected_rows(done, correction.id, outcome="inserted")] == [7]

        everybody = {employee.email async for employee in rc.employees(upload=done)}
        assert len(everybody) == ROWS
        assert {each.email async for each in rc.employees(search=person(4).email)} == {person(4).email}
        assert (await rc.export().read()).count(b"\n") == ROWS + 1
        assert await done.file().save(tmp_path / "back.csv") == file.stat().st_size
        assert (tmp_path / "back.csv").read_bytes() == file.read_bytes()

        with pytest.raises(rollcall.ConfirmationNeeded):
            await done.delete()
        undone = await (await done.undo()).wait()
        assert (undone.status, undone.deleted) == ("undone", ROWS)
        await undone.delete()
        with pytest.raises(rollcall.UnknownUpload):
            await rc.get_upload(undone.id)


async def test_draft_is_looked_at_changed_previewed_and_started(services: Services, system: System) -> None:
    await services.start_all(consumers=1)

    def through_the_sync_client() -> None:
        with rollcall.Client(services.api_url) as rc:
            text = "\n".join(lines()).replace("mobile_no", "whatever")
            draft = rc.upload(iter([text.encode()]), filename="staff.csv", draft=True)
            assert (draft.status, (draft.problem or {})["code"]) == ("draft", "missing_columns")
            with pytest.raises(rollcall.DraftHasProblem):
                draft.start()
            assert draft.sample(rows=2, mapping={"mobile_no": "whatever"}).problem is None
            changed = draft.change(mapping={"mobile_no": "whatever"}, optional=["company_name"])
            with pytest.raises(rollcall.RevisionChanged):
                draft.change(on_duplicate="update")
            previewed = changed.run_preview().wait()
            assert previewed.preview is not None
            assert (previewed.status, previewed.preview.inserted, previewed.preview.rejected) == ("previewed", 8, 2)
            done = previewed.start(if_unchanged=True).wait()
            assert (done.status, done.inserted) == ("partially_succeeded", 8)
            assert rc.uploads().page().total_data == 1
            assert [each.id for each in rc.uploads(status=done.status)] == [done.id]
            assert rc.status().uploads["partially_succeeded"] == 1
            status_of = next(rc.uploads().__iter__()).refresh()
            assert status_of.finished_at == done.finished_at

    await asyncio.to_thread(through_the_sync_client)


async def test_watcher_goes_on_where_it_was_when_the_api_comes_back(
    services: Services, system: System, tmp_path: Path
) -> None:
    api = await services.start("api_service")
    file = tmp_path / "staff.csv"
    file.write_text("\n".join(lines(begin=100)))
    async with rollcall.AsyncClient(services.api_url) as rc, asyncio.timeout(180 * patience()):
        watching = (await rc.upload(file)).watch()
        first = await anext(watching)
        assert first.status == "queued"
        # Nobody has worked on it; while there is no API, it is brought to its end.
        api.kill()
        await api.ended()
        services.launch("producer_service")
        services.launch("consumer_service")
        api.start()
        rest = [each async for each in watching]
    assert rest[-1].status == "partially_succeeded"
    assert min(each.revision for each in rest) > first.revision


async def test_upload_whose_answer_is_lost_is_sent_again_and_taken_once(
    services: Services, system: System, tmp_path: Path
) -> None:
    """The API dies behind the commit, before it answers: by the client's key it knows the second for the first."""
    api = await services.start("api_service", killing_api("api.before_announce"))
    file = tmp_path / "staff.csv"
    file.write_text("\n".join(lines()))
    async with rollcall.AsyncClient(services.api_url, attempts=100) as rc, asyncio.timeout(180 * patience()):
        sending = asyncio.create_task(rc.upload(file))
        assert await api.ended(seconds=60) == KILLED
        await api.restart({API: ""})
        upload = await sending
        assert [each.id async for each in rc.uploads()] == [upload.id]
