"""Whom a whole file no longer names has left: once, never beyond the threshold, and so that it can be taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.failpoint_settings import CONSUMER, PRODUCER, killing_consumer, killing_producer
from tests.support.services import KILLED, Backends, Services
from tests.support.system import Json, System
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.waiting import eventually

SMALL = {
    "ROLLCALL_API_CHUNK_ROWS": "20",
    "ROLLCALL_PRODUCER_UNDO_RANGE_ROWS": "10",
    "ROLLCALL_PRODUCER_LEASE_SECONDS": "2",
    "ROLLCALL_PRODUCER_SWEEP_SECONDS": "0.5",
    "ROLLCALL_PRODUCER_REPUBLISH_SECONDS": "2",
}
AWAY_SECONDS = 3
HEADER = "employee_name,company_name,mobile_no,email"

Line = tuple[str, str, str, str]


@pytest.fixture
async def database_way(database_url: str) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
async def services(
    database_way: TcpProxy, amqp_url: str, upload_store_url: str, tmp_path: Path
) -> AsyncIterator[Services]:
    """Their way to the database can be cut; the test's own cannot."""
    backends = Backends(database_way.url, amqp_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", SMALL, warm=True) as services:
        yield services


def line(number: int, company: str = "Initech", *, name: str = "Asha") -> Line:
    return (f"{name} {number}", company, f"+9198765{number:05d}", f"p{number}@{company.lower()}.example")


async def test_who_is_absent_leaves_is_hidden_is_listed_comes_back_and_all_of_it_is_taken_back(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start_all(consumers=2)
    people = range(200)
    await _finished(system, tmp_path, [line(n) for n in people] + [line(n, "Hooli") for n in people])
    before = await _table(system)

    # Of 200 only 180 are left, and two are new; of the other company nobody is named. The case of letters is nothing.
    named = [line(n) for n in (*range(180), 300, 301)]
    upload_id, upload = await _finished(system, tmp_path, named, absent="deactivate", absentScope=" INITECH ")
    assert (upload["status"], upload["deactivated"], upload["duplicates"]) == ("succeeded", 20, 180)
    assert upload["absence"] == {"inScope": 200, "absent": 20, "atMost": 20, "unreadableRows": 0}
    gone = {f"p{n}@initech.example" for n in range(180, 200)}
    assert await _left(system) == gone
    listed = (await system.client.get(f"/v1/uploads/{upload_id}/rows?outcome=deactivated&limit=15")).json()
    rest = (
        await system.client.get(
            f"/v1/uploads/{upload_id}/rows?outcome=deactivated&limit=15&cursor={listed['nextCursor']}"
        )
    ).json()
    assert {row["email"] for row in (*listed["data"], *rest["data"])} == gone
    assert (listed["totalData"], len(listed["data"]), len(rest["data"])) == (20, 15, 5)
    await _is_hidden(system, "p190@initech.example", there=382, all_of_them=402)

    # A later file brings some of them back, as rows that are updated, in any mode.
    back: dict[str, Json] = {}
    for mode, numbers in (("skip", (180, 181)), ("update", (182, 183)), ("reject", (184, 185))):
        lines = [line(n, name="Back") for n in numbers] + [line(numbers[0], name="Again")]
        back[mode] = (await _finished(system, tmp_path, lines, mode=mode))[1]
        assert back[mode]["updated"] == 2, back[mode]
    assert back["reject"]["rejectedBy"] == {"duplicate_email": 1}
    assert await _left(system) == gone - {f"p{n}@initech.example" for n in range(180, 186)}
    names = {row["email"]: row["employee_name"] for row in await _table(system)}
    came = {n: names[f"p{n}@initech.example"] for n in (180, 181, 182, 184)}
    assert came == {180: "Back 180", 181: "Back 181", 182: "Again 182", 184: "Back 184"}

    # Undone in any order, all is as it was.
    await _undone(system, back["update"]["id"])
    assert {"p182@initech.example", "p183@initech.example"} <= await _left(system)
    undone = await _undone(system, upload_id)
    assert (undone["deleted"], undone["restored"], undone["kept"]) == (2, 16, 4)
    kept = (await system.client.get(f"/v1/uploads/{upload_id}/rows?outcome=kept")).json()["data"]
    assert [row["rowNumber"] for row in kept] == [None] * 4
    for mode in ("skip", "reject"):
        await _undone(system, back[mode]["id"])
    assert await _table(system) == before
    assert await _left(system) == set()


async def test_nobody_is_touched_unless_the_whole_file_went_in_and_names_enough_of_them(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start_all(consumers=2)
    people = [line(n) for n in range(100)]
    await _finished(system, tmp_path, people)
    whole = {"absent": "deactivate", "absentScope": "all"}

    # One too many, as a share and as a count; the rows are in all the same, and new ones make no share smaller.
    new = [line(n) for n in range(1000, 1100)]
    for options in (whole, {**whole, "absentAtMost": "9"}):
        upload = (await _finished(system, tmp_path, people[:89] + new, **options))[1]
        assert (upload["status"], upload["problem"]["code"]) == ("partially_succeeded", "too_many_absent"), upload
        assert upload["deactivated"] == 0
        await _undone(system, upload["id"])
    # Whom a rejected row names is named.
    refused = [(*each[:2], "no number", each[3]) for each in people[:40]]
    wide = [("Rao", *each) for each in people[40:45]]
    upload = (await _finished(system, tmp_path, [*refused, *wide, *people[45:98]], **whole))[1]
    assert (upload["rejected"], upload["deactivated"], upload["problem"]) == (45, 2, None)
    assert await _left(system) == {"p98@initech.example", "p99@initech.example"}
    await _undone(system, upload["id"])
    # Of a rejected row nobody knows whom it names: it may be one of those who lack.
    unreadable = (*people[99][:3], "p99(at)initech.example")
    upload = (await _finished(system, tmp_path, [*people[:98], unreadable], **whole))[1]
    assert (upload["status"], upload["problem"]["code"]) == ("partially_succeeded", "absent_unclear")
    assert "1 rejected row" in upload["problem"]["detail"]
    # Corrected, it is in, and the upload still says that nobody was looked for.
    rejected = (await system.client.get(f"/v1/uploads/{upload['id']}/rejects")).json()["data"][0]
    correction = await system.client.patch(
        f"/v1/uploads/{upload['id']}/rejects/{rejected['rowNumber']}",
        json={"cells": {"email": people[99][3]}, "attempt": rejected["attempt"]},
    )
    assert correction.status_code in (200, 202), correction.text

    async def all_in() -> bool:
        return bool((await system.state(upload["id"]))["rejected"] == 0)

    await eventually(all_in)
    state = await system.state(upload["id"])
    assert (state["status"], state["problem"]["code"]) == ("partially_succeeded", "absent_unclear")
    # Too many rejects, a file that cannot be read to its end, a cancelled one.
    bad = [(*each[:2], "no number", each[3]) for each in people[:20]]
    upload = (await _finished(system, tmp_path, bad, maxRejects="10", **whole))[1]
    assert (upload["status"], upload["deactivated"], upload["absence"]) == ("failed", 0, None)
    assert await _left(system) == set()


async def test_a_leaver_whom_a_corrected_row_of_the_same_upload_names_is_back(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start_all(consumers=1)
    people = [line(n) for n in range(30)]
    await _finished(system, tmp_path, people)
    before = await _table(system)
    # The row names nobody who is there: its email is one that can be read, and a mistake.
    typo = ("Asha 29", "Initech", "no number", "p29@inittech.example")
    options = {"absent": "deactivate", "absentScope": "Initech", "absentAtMost": "50%"}
    for mode in ("skip", "update"):
        upload_id, upload = await _finished(system, tmp_path, [*people[:25], typo], mode=mode, **options)
        assert (upload["status"], upload["deactivated"]) == ("partially_succeeded", 5)
        correction = await system.client.patch(
            f"/v1/uploads/{upload_id}/rejects/26",
            json={"cells": {"email": "p29@initech.example", "mobile_no": "+919876500029"}, "attempt": 1},
        )
        assert correction.status_code in (200, 202), correction.text

        async def succeeded(upload_id: str = upload_id) -> bool:
            return bool((await system.state(upload_id))["status"] == "succeeded")

        await eventually(succeeded)
        upload = await system.state(upload_id)
        assert (upload["deactivated"], upload["updated"]) == (4, 1 if mode == "skip" else 26), mode
        assert await _left(system) == {f"p{n}@initech.example" for n in range(25, 29)}
        rows = (await system.client.get(f"/v1/uploads/{upload_id}/rows?outcome=deactivated")).json()
        assert (rows["totalData"], len(rows["data"])) == (4, 4)
        told = (await system.client.get(f"/v1/uploads/{upload_id}/rows?outcome=updated&limit=1000")).json()["data"]
        assert told[-1]["corrected"]
        assert told[-1]["cells"] == ["Asha 29", "Initech", "+919876500029", "p29@initech.example"]
        undone = await _undone(system, upload_id)
        assert undone["kept"] == 0
        told = (await system.client.get(f"/v1/uploads/{upload_id}/rows?limit=1000")).json()
        assert [row["outcome"] for row in told["data"]] == (
            ["duplicate"] * 25 + ["undone"] if mode == "skip" else ["undone"] * 26
        )
        assert told["totalData"] == 26
        assert await _table(system) == before


@pytest.mark.fault(48)
async def test_leavers_are_marked_once_whoever_is_killed_and_while_the_database_is_away(
    services: Services, system: System, database_way: TcpProxy, tmp_path: Path
) -> None:
    await services.start_all(consumers=2)
    people = [line(n) for n in range(400)]
    await _finished(system, tmp_path, people)
    before = await _table(system)
    first, second = services.of("consumer_service")
    await asyncio.gather(*(service.terminate() for service in (first, second, services.producer)))
    await asyncio.gather(
        first.restart(killing_consumer("consumer.inside_leavers", after=2)),
        second.restart(killing_consumer("consumer.after_leavers", after=3)),
        services.producer.restart(killing_producer("producer.leavers_decided", after=0)),
    )
    file = _write(tmp_path, people[:200])
    upload_id = await system.upload(file, "update", absent="deactivate", absentScope="all", absentAtMost="200")
    assert await services.producer.ended(seconds=60) == KILLED
    await services.producer.restart(killing_producer("producer.leavers_published", after=6))
    for service in (services.producer, first, second):
        assert await service.ended(seconds=60) == KILLED
    decided = "SELECT absence IS NOT NULL AND finished_at IS NULL FROM uploads WHERE id = $1"
    assert await system.database.fetchval(decided, upload_id)
    await services.producer.restart({PRODUCER: ""})
    database_way.cut()
    await asyncio.gather(first.restart({CONSUMER: ""}), second.restart({CONSUMER: ""}), _later(database_way))

    upload = await system.until_finished(upload_id)
    assert (upload["status"], upload["deactivated"], upload["updated"]) == ("succeeded", 200, 200)
    assert await _left(system) == {each[3] for each in people[200:]}
    rows = (await system.client.get(f"/v1/uploads/{upload_id}/rows?outcome=deactivated&limit=1000")).json()
    assert len({row["employeeId"] for row in rows["data"]}) == 200
    assert await system.database.fetchval("SELECT count(*) FROM named_emails") == 0
    undone = await _undone(system, upload_id)
    assert (undone["deleted"], undone["restored"], undone["kept"]) == (0, 400, 0)
    assert await _table(system) == before


async def test_of_two_files_with_overlapping_scopes_the_later_one_has_its_say_last(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start_all(consumers=2)
    people = [line(n) for n in range(300)]
    await _finished(system, tmp_path, people)
    options = {"absent": "deactivate", "absentAtMost": "50%"}
    # The second lacks whom the first names, and names whom it lacks.
    first = await system.upload(_write(tmp_path, people[:200], "first"), "update", absentScope="all", **options)
    second = await system.upload(_write(tmp_path, people[150:], "second"), "skip", absentScope="Initech", **options)
    third = await system.upload(_write(tmp_path, people[:10], "third"), "update")

    one, two, three = [await system.until_finished(each) for each in (first, second, third)]

    assert (one["status"], one["deactivated"]) == ("succeeded", 100), one
    assert (two["status"], two["updated"]) == ("succeeded", 100), two
    assert three["updated"] == 10
    # The third was there before the second decided, or brought its people back: either way it is later.
    assert await _left(system) == {each[3] for each in people[10:150]}
    assert two["deactivated"] in range(140, 151)


async def test_options_of_leavers_are_refused_with_what_to_do_and_changed_in_a_draft(
    services: Services, system: System, tmp_path: Path
) -> None:
    await services.start_all(consumers=1)
    people = [line(n) for n in range(20)]
    await _finished(system, tmp_path, people)
    file = _write(tmp_path, people[:15])
    wrong: Sequence[dict[str, str]] = (
        {"absent": "delete", "absentScope": "all"},
        {"absent": "deactivate"},
        {"absent": "deactivate", "absentScope": " "},
        {"absent": "deactivate", "absentScope": "x" * 300},
        {"absentScope": "all"},
        {"absentAtMost": "5"},
        *(
            {"absent": "deactivate", "absentScope": "all", "absentAtMost": most}
            for most in ("-1", "101%", "ten", "1.5", "5 %", "\u0661", "%")
        ),
    )
    for options in wrong:
        with file.open("rb") as content:
            answer = await system.client.post(
                "/v1/employee-data-upload", files={"employee_data": ("a.csv", content)}, data=options
            )
        assert answer.status_code == 422, (options, answer.text)
        assert answer.json()["code"] == "invalid_request", answer.text
        assert answer.json()["errors"][0]["location"].startswith("body.absent"), answer.text

    draft = await system.upload(file, start="draft", absent="deactivate", absentScope="Hooli")
    state = await system.state(draft)
    changed = await system.client.patch(
        f"/v1/uploads/{draft}",
        json={"absentScope": "Initech", "absentAtMost": 5},
        headers={"If-Match": f'"{state["revision"]}"'},
    )
    assert changed.status_code == 200, changed.text
    assert changed.json()["options"]["absentScope"] == "Initech"
    assert (await system.client.post(f"/v1/uploads/{draft}/start")).status_code == 202
    upload = await system.until_finished(draft)
    assert (upload["status"], upload["deactivated"]) == ("succeeded", 5)


def _write(folder: Path, lines: Iterable[Sequence[str]], name: str = "people") -> Path:
    file = folder / f"{name}.csv"
    file.write_text("\n".join([HEADER, *map(",".join, lines)]) + "\n")
    return file


async def _finished(
    system: System, folder: Path, lines: Iterable[Sequence[str]], mode: str = "skip", **options: str
) -> tuple[str, Json]:
    upload_id = await system.upload(_write(folder, lines), mode, **options)  # type: ignore[arg-type]
    return upload_id, await system.until_finished(upload_id)


async def _undone(system: System, upload_id: str) -> Json:
    answer = await system.client.post(f"/v1/uploads/{upload_id}/undo")
    assert answer.status_code == 202, answer.text

    async def is_undone() -> bool:
        return bool((await system.state(upload_id))["status"] == "undone")

    await eventually(is_undone, seconds=60)
    upload = await system.state(upload_id)
    taken_back = upload["inserted"] + upload["updated"] + upload["deactivated"]
    assert upload["deleted"] + upload["restored"] + upload["kept"] == taken_back
    return upload


async def _later(way: TcpProxy) -> None:
    await asyncio.sleep(AWAY_SECONDS)  # long enough for several tries to fail
    await way.open()


async def _left(system: System) -> set[str]:
    counted = await system.database.fetchval("SELECT sum(left_total) FROM employee_totals")
    rows = await system.database.fetch("SELECT email FROM employees WHERE left_at IS NOT NULL")
    assert counted == len(rows)
    return {row["email"] for row in rows}


async def _table(system: System) -> list[dict[str, Any]]:
    return [dict(row) for row in await system.database.fetch("SELECT * FROM employees ORDER BY id")]


async def _is_hidden(system: System, email: str, *, there: int, all_of_them: int) -> None:
    async def listed(query: str) -> tuple[int, bool]:
        page = (await system.client.get(f"/v1/employees?limit=1000&{query}")).raise_for_status().json()
        return page["totalData"], any(each["email"] == email for each in page["data"])

    assert await listed("") == (there, False)
    assert await listed("left=include") == (all_of_them, True)
    assert await listed(f"searchTerm={email}") == (0, False)
    assert await listed(f"searchTerm={email}&left=include") == (1, True)
    middle = (await system.client.get("/v1/employees?limit=100&page=2")).json()["data"]
    assert len(middle) == 100
    far = (await system.client.get("/v1/employees?limit=100&page=4")).json()["data"]
    assert len(far) == there - 300
    assert not any(each["leftAt"] for each in (*middle, *far))
    for query, is_there in (("", False), ("?left=include", True)):
        assert (email in (await system.client.get(f"/v1/employees.csv{query}")).text) is is_there
