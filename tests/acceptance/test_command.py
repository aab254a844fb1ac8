"""The command `rollcall` and the whole system: at a terminal, through pipes, and every subcommand once."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.erasures import KEY
from tests.support.failpoint_settings import slow_consumer
from tests.support.mixed_file import person
from tests.support.patience import patience
from tests.support.servers import CHECKOUT
from tests.support.services import Services
from tests.support.system import System
from tests.support.terminal import CTRL_C, Terminal

ROLLCALL: Final = (sys.executable, "-m", "rollcall")
ROWS: Final = 2_000
BAD_ROWS: Final = (3, 7)
BAR: Final = "[━╸╺]"
COLOUR: Final = "\x1b[3"


@pytest.fixture
def environment(services: Services, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "client")]),
        "ROLLCALL_URL": services.api_url,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "staff.csv"
    path.write_text("\n".join(lines(ROWS)))
    return path


@pytest.fixture
def rollcall(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command through pipes."""

    def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ROLLCALL, *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120 * patience(),
        )

    return call


def lines(rows: int) -> Iterator[str]:
    yield "employee_name,company_name,mobile_no,email"
    for number in range(1, rows + 1):
        who = person(number)
        yield f"{who.name},{who.company},{'none' if number in BAD_ROWS else who.mobile},{who.email}"


def fields(out: str) -> dict[str, str]:
    """Of one thing, as it is printed into a pipe."""
    return dict(line.split("\t", 1) for line in out.splitlines())


def rows(out: str) -> list[list[str]]:
    return [line.split("\t") for line in out.splitlines()]


async def test_somebody_at_a_terminal_watches_it_resizes_it_and_leaves(
    services: Services, system: System, environment: dict[str, str], file: Path
) -> None:
    # 20 chunks of 100 rows: long enough to be left, and for two commands that start.
    services.launch("consumer_service", slow_consumer(1.5))
    services.launch("producer_service")
    await services.start("api_service")

    def before_the_terminal() -> tuple[str, str, str, int]:
        with Terminal([*ROLLCALL, "upload", str(file)], environment) as terminal:
            terminal.until(r"running: [\d,]+00 rows")
            wide = terminal.drawn
            terminal.resize(60)
            terminal.until(r"running: .*rows")
            narrow = terminal.drawn
            terminal.press(CTRL_C)
            return wide, narrow, terminal.until(r"rollcall cancel [0-9a-f-]{36}"), terminal.end()

    def interrupted_while_it_is_sent() -> tuple[str, int]:
        pipe = file.with_name("pipe")
        os.mkfifo(pipe)
        command = f"exec {shlex.join(ROLLCALL)} upload - < {shlex.quote(str(pipe))}"
        # It waits for more of the file, which never comes.
        with Terminal(["sh", "-c", command], environment) as terminal, pipe.open("wb") as sending:
            sending.write(file.read_bytes())
            sending.flush()
            terminal.until("MB sent|kB sent")
            terminal.press(CTRL_C)
            return terminal.until("was not sent whole, so nothing of it is imported"), terminal.end()

    assert (await asyncio.to_thread(interrupted_while_it_is_sent))[1] == 130
    assert (await system.client.get("/v1/uploads")).json()["data"] == []

    wide, narrow, advice, status = await asyncio.to_thread(before_the_terminal)
    assert COLOUR in wide
    assert longest_bar(wide) > longest_bar(narrow) > 0
    assert status == 130
    # What it says goes on does go on, and what it says to type stops it.
    upload_id = advice.split()[-1]
    assert (await system.state(upload_id))["status"] == "running"
    stopping = await asyncio.create_subprocess_exec(*ROLLCALL, *advice.split()[1:], env=environment)
    async with asyncio.timeout(120 * patience()):
        assert await stopping.wait() == 0
    assert (await system.until_finished(upload_id))["status"] == "cancelled"


async def test_terminal_shows_tables_and_none_of_it_in_colour_where_nobody_wants_that(
    services: Services, system: System, environment: dict[str, str], file: Path
) -> None:
    await services.start_all(consumers=1)

    def before_the_terminal() -> tuple[str, str, str, str]:
        with Terminal([*ROLLCALL, "upload", str(file)], {**environment, "NO_COLOR": "1"}) as terminal:
            terminal.until(r"What was refused, and why: rollcall rejects")
            assert terminal.end() == 2
            plain, said = terminal.drawn, terminal.text
        with Terminal([*ROLLCALL, "uploads"], environment) as terminal:
            terminal.until("partially_succeeded")
            assert terminal.end() == 0
            table = terminal.drawn
        with Terminal([*ROLLCALL, "employees", "--limit", "2"], environment) as terminal:
            terminal.until("2 of 1,998 employees")
            assert terminal.end() == 0
            listed = terminal.text
        return plain, said, table, listed

    plain, said, table, listed = await asyncio.to_thread(before_the_terminal)
    assert COLOUR not in plain
    assert re.search(r"inserted +1,998\r\n", said)
    assert "\x1b[33mpartially_succeeded" in table
    assert person(1).name in listed


async def test_pipes_get_tabs_json_and_the_numbers_that_scripts_look_at(
    services: Services, system: System, rollcall: Callable[..., subprocess.CompletedProcess[str]], file: Path
) -> None:
    await services.start_all(consumers=1)

    def call(code: int, *arguments: str, stdin: str = "") -> str:
        done = rollcall(*arguments, stdin=stdin)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), f"{arguments}: {done.stderr}"
        assert "\x1b" not in done.stdout + done.stderr
        return done.stdout

    def through_pipes() -> None:
        uploaded = fields(call(2, "upload", "-", "--filename", "staff.csv", stdin=file.read_text()))
        upload_id = uploaded["id"]
        assert (uploaded["file"], uploaded["rows read"], uploaded["rejected"]) == ("staff.csv", "2,000", "2")
        assert json.loads(call(0, "show", upload_id, "--json"))["inserted"] == ROWS - 2
        assert fields(call(0, "show", upload_id))["can be undone"] == "yes"
        assert [row[0] for row in rows(call(0, "uploads"))] == [upload_id]
        assert call(2, "watch", upload_id).startswith("file\tstaff.csv\n")
        assert len(call(0, "sample", upload_id, "--rows", "4").splitlines()) == 4
        assert call(0, "download", upload_id) == file.read_text()

        assert [row[:3] for row in rows(call(0, "rejects", upload_id))] == [
            [str(n), str(n + 1), "invalid_mobile"] for n in BAD_ROWS
        ]
        assert len(call(0, "results", upload_id, "--outcome", "inserted", "--json").splitlines()) == ROWS - 2
        assert len(rows(call(0, "dead-letters", "list", "--upload", upload_id))) == 2
        redriven = fields(call(0, "dead-letters", "redrive", "--upload", upload_id))
        assert (redriven["state"], redriven["done"]) == ("succeeded", "2")
        assert fields(call(0, "dead-letters", "job", redriven["id"])) == redriven
        call(3, "dead-letters", "cancel", redriven["id"])
        assert rollcall("verify", upload_id, str(file)).stderr.startswith("All 2,000 rows of ")
        other = file.with_name("other.csv")
        other.write_text("\n".join([*lines(ROWS - 1), "", "of somebody else"]))
        differences = call(1, "verify", upload_id, str(other)).splitlines()
        assert "sha256" in differences[0]
        assert differences[1].startswith(f"row {ROWS}, line {ROWS + 2}: ")

        assert fields(call(0, "correct-row", upload_id, "3", "mobile_no=+44 20 7946 0018"))["outcome"] == "inserted"
        mended = call(0, "rejects", upload_id, "--csv").replace(",none,", ",+44 20 7946 0019,")
        assert fields(call(0, "correct", upload_id, "-", stdin=mended))["inserted"] == "1"
        assert len(call(0, "employees", "--upload", upload_id, "--json").splitlines()) == ROWS
        assert rows(call(0, "employees", "--search", person(5).email))[0][4] == person(5).email
        assert call(0, "export", "--search", person(5).email) == call(
            0, "employees", "--csv", "--search", person(5).email
        )
        employee = rows(call(0, "employees", "--limit", "1"))[0][0]
        call(0, "delete-employee", employee)
        assert "unknown_employee" in rollcall("delete-employee", employee).stderr

        assert (fields(call(0, "undo", upload_id))["deleted"], call(0, "employees")) == (f"{ROWS - 1:,}", "")
        assert fields(call(0, "status"))["broker"] == "available"
        assert call(0, "template", "--language", "de").startswith("\ufeff")
        call(0, "delete", upload_id)
        assert "unknown_upload" in rollcall("show", upload_id).stderr
        call(3, "show", upload_id)

    await asyncio.to_thread(through_pipes)


async def test_draft_is_shown_changed_previewed_and_started(
    services: Services, system: System, rollcall: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    await services.start_all(consumers=1)
    file = tmp_path / "staff.csv"
    file.write_text("\n".join(lines(10)).replace("mobile_no", "whatever"))

    def through_pipes() -> None:
        refused = rollcall("upload", str(file))
        assert (refused.returncode, refused.stdout) == (3, "")
        assert "[missing_columns]" in refused.stderr
        draft = fields(rollcall("upload", str(file), "--draft").stdout)
        assert (draft["status"], "missing_columns" in draft["problem"]) == ("draft", True)
        upload_id = draft["id"]
        assert rollcall("start", upload_id).returncode == 3
        changed = rollcall("change", upload_id, "--mapping", "mobile_no=whatever", "--on-duplicate", "update")
        assert (changed.returncode, "problem" in fields(changed.stdout)) == (0, False)
        previewed = rollcall("preview", upload_id)
        assert (previewed.returncode, fields(previewed.stdout)["would be inserted"]) == (2, "8")
        started = rollcall("start", upload_id, "--if-unchanged")
        assert (started.returncode, fields(started.stdout)["inserted"]) == (2, "8")
        assert rollcall("cancel", upload_id).returncode == 3

        other = rollcall("upload", str(file), "--preview", "--mapping", '{"mobile_no": "whatever"}')
        assert (other.returncode, fields(other.stdout)["would be duplicates"]) == (2, "8")
        assert fields(rollcall("cancel", fields(other.stdout)["id"]).stdout)["status"] == "cancelled"
        only_id = rollcall("upload", str(file), "--detach", "--mapping", "mobile_no=whatever").stdout.strip()
        assert rollcall("watch", only_id).returncode == 2
        discarded = fields(rollcall("dead-letters", "discard", "--upload", only_id).stdout)
        assert (discarded["kind"], discarded["state"], discarded["done"]) == ("delete", "succeeded", "2")

    await asyncio.to_thread(through_pipes)


async def test_queue_is_worked_from_a_shell(
    services: Services, system: System, rollcall: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    await services.start("api_service")

    def through_pipes() -> None:
        sent = rollcall("queue", "send", "emails", '{"to": 1}', "-", stdin="two\nthree\n").stdout.split()
        assert len(sent) == 3
        (first,) = rows(rollcall("queue", "receive", "emails").stdout)
        assert first[1] == '{"to": 1}'
        assert rollcall("queue", "extend", "emails", first[0], "600").returncode == 0
        assert rollcall("queue", "ack", "emails", first[0]).returncode == 0
        assert rollcall("queue", "ack", "emails", first[0]).returncode == 3
        assert [row[4] for row in rows(rollcall("queue", "peek", "emails").stdout)] == ['"two"', '"three"']
        assert fields(rollcall("queue", "configure", "emails", "--max-receives", "1").stdout)["max receives"] == "1"
        (second,) = rows(rollcall("queue", "receive", "emails", "--consumer", "me").stdout)
        rollcall("queue", "extend", "emails", second[0], "0")
        assert fields(rollcall("queue", "stats", "emails").stdout)["dead"] == "1"
        assert rollcall("queue", "redrive", "emails").stdout == "redriven\t1\n"
        assert len(rows(rollcall("queue", "receive", "emails", "--limit", "5", "--ack").stdout)) == 2
        assert rollcall("queue", "receive", "emails").returncode == 1
        rollcall("queue", "send", "emails", "left")
        assert rollcall("queue", "purge", "emails").stdout == "removed\t1\n"
        assert [row[0] for row in rows(rollcall("queue", "list").stdout)] == ["emails"]

        assert fields(rollcall("queue", "pause", "emails").stdout)["paused"] == "yes"
        (kept,) = rollcall("queue", "send", "emails", "kept").stdout.split()
        assert rollcall("queue", "receive", "emails").returncode == 1
        assert fields(rollcall("queue", "resume", "emails").stdout)["paused"] == "no"
        shown = fields(rollcall("queue", "show", "emails", kept).stdout)
        assert (shown["state"], shown["payload"]) == ("visible", '"kept"')
        assert rollcall("queue", "cancel", "emails", kept).returncode == 0

        # Dead after one lease, as it is configured: slowly they come back, until somebody stops that.
        rollcall("queue", "send", "emails", *map(str, range(600)))
        rollcall("queue", "receive", "emails", "--limit", "600", "--lease", "1")
        assert any(fields(rollcall("queue", "stats", "emails").stdout)["dead"] == "600" for _ in range(100))
        slow = fields(rollcall("queue", "redrive", "emails", "--rate", "1").stdout)
        assert fields(rollcall("queue", "job", "emails", slow["id"]).stdout)["rate"] == "1"
        assert fields(rollcall("queue", "job", "emails", slow["id"], "--cancel").stdout)["state"] == "cancelled"
        # To this machine, which no operator has allowed.
        assert rollcall("queue", "subscribe", "emails", "https://127.0.0.1/").returncode == 3
        made = rollcall("queue", "subscribe", "emails", "https://mailer.invalid/hook").stdout
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", made)
        given = rollcall("queue", "subscribe", "emails", "https://mailer.invalid/", "--secret-file", "-", stdin=made)
        assert fields(given.stdout)["state"] == "active"
        assert fields(rollcall("queue", "subscription", "emails").stdout)["url"] == "https://mailer.invalid/"
        assert rollcall("queue", "unsubscribe", "emails").returncode == 0
        assert rollcall("queue", "subscription", "emails").returncode == 3
        assert rollcall("queue", "delete", "emails", "--if-empty").returncode == 3
        assert rollcall("queue", "delete", "emails").stdout == "removed\t600\n"

    await asyncio.to_thread(through_pipes)


async def test_person_is_erased_from_a_shell(
    services: Services, system: System, rollcall: Callable[..., subprocess.CompletedProcess[str]], file: Path
) -> None:
    key = {"ROLLCALL_ERASURE_KEY": KEY}
    services.launch("producer_service")
    services.launch("consumer_service", key)
    await services.start("api_service", key)

    def through_pipes() -> None:
        file.write_text("\n".join(lines(10)))
        assert rollcall("upload", str(file)).returncode == 2
        email = person(5).email
        foreseen = fields(rollcall("erase", email, "--dry-run").stdout)
        assert (foreseen["employees"], rollcall("erasures").stdout) == ("1", "")
        erased = fields(rollcall("erase", "-", stdin=f"{email}\n").stdout)
        assert (erased["status"], erased["employees"], email in str(erased)) == ("succeeded", "1", False)
        assert [row[:2] for row in rows(rollcall("erasures").stdout)] == [[erased["id"], "succeeded"]]
        assert fields(rollcall("erasure", erased["id"]).stdout) == erased
        assert rollcall("employees", "--search", email).stdout == ""
        assert fields(rollcall("upload", str(file)).stdout)["rejected"] == "3"
        assert rollcall("allow-erased", erased["id"]).returncode == 0
        assert fields(rollcall("erasure", erased["id"]).stdout)["refused from now on"] == "no"

    await asyncio.to_thread(through_pipes)


def longest_bar(drawn: str) -> int:
    """In characters, of all bars that were drawn."""

    without_colours = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    return max((len(bar) for bar in re.findall(f"{BAR}+", without_colours)), default=0)
