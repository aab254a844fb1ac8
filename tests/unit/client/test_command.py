"""The command where there is no service: every subcommand says so, and none shows a traceback."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollcall.command import run, uploads
from rollcall.command.exit_codes import Exit, worst
from rollcall.command.output import plain
from rollcall.options import FileOptions
from shared.version import VERSION
from tests.support.command_line import call, commands
from tests.support.servers import CHECKOUT

NOBODY = "http://127.0.0.1:1"
ID = "3c0e7a52-7d3c-4d0f-9a0b-6f0e4a3f5b11"
AGAINST_THE_SYSTEM = ("acceptance/test_command.py", "integration/client/test_access.py")
# What each needs to get so far as to ask the service; FILE is one that is there. None asks nobody.
ARGUMENTS: dict[str, list[str] | None] = {
    "upload": ["FILE"],
    "uploads": [],
    "show": [ID],
    "watch": [ID],
    "sample": [ID],
    "change": [ID, "--encoding", "cp1250"],
    "preview": [ID],
    "start": [ID],
    "cancel": [ID],
    "undo": [ID],
    "delete": [ID],
    "download": [ID],
    "rejects": [ID],
    "results": [ID],
    "correct": [ID, "FILE"],
    "correct-row": [ID, "3", "email=a@b.example"],
    "employees": ["--search", "ada"],
    "export": [],
    "delete-employee": ["4"],
    "check": None,
    "verify": [ID, "FILE"],
    "status": [],
    "template": [],
    "whoami": [],
    "audit": ["--caller", "payroll"],
    "keys list": [],
    "keys create": ["payroll", "--scope", "read"],
    "keys show": ["4fJq0aZx81Lm"],
    "keys revoke": ["4fJq0aZx81Lm"],
    "erase": ["ada@x.example"],
    "erasures": [],
    "erasure": [ID],
    "allow-erased": [ID],
    "dead-letters list": [],
    "dead-letters redrive": ["--all"],
    "dead-letters discard": ["--code", "invalid_email"],
    "dead-letters job": [ID],
    "dead-letters cancel": [ID],
    "queue list": [],
    "queue send": ["emails", '{"to": 1}'],
    "queue receive": ["emails"],
    "queue ack": ["emails", "a-receipt"],
    "queue extend": ["emails", "a-receipt", "60"],
    "queue peek": ["emails"],
    "queue stats": ["emails"],
    "queue configure": ["emails", "--lease", "60"],
    "queue pause": ["emails"],
    "queue resume": ["emails"],
    "queue show": ["emails", "4"],
    "queue cancel": ["emails", "4"],
    "queue delete": ["emails"],
    "queue job": ["emails", ID, "--cancel"],
    "queue subscribe": ["emails", "https://mailer.example/hook"],
    "queue subscription": ["emails"],
    "queue unsubscribe": ["emails"],
    "queue purge": ["emails"],
    "queue redrive": ["emails"],
}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_URL", NOBODY)
    monkeypatch.setattr(run, "ATTEMPTS", 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "staff.csv"
    path.write_text("name,company,phone,email\nAda,X,12,ada@x.example\n")
    return path


def test_every_subcommand_is_tried_here() -> None:
    assert set(commands()) == set(ARGUMENTS)
    assert [name for name, text in commands().items() if not text] == []


def test_every_subcommand_meets_a_running_system() -> None:
    source = "".join((CHECKOUT / "tests" / name).read_text() for name in AGAINST_THE_SYSTEM)
    called = {name for name in ARGUMENTS if ", ".join(f'"{word}"' for word in name.split()) in source}
    # `check` asks nobody.
    assert set(ARGUMENTS) - called == {"check"}


@pytest.mark.parametrize("name", [name for name, arguments in ARGUMENTS.items() if arguments is not None])
def test_subcommand_says_that_nobody_answers(name: str, file: Path) -> None:
    arguments = [str(file) if each == "FILE" else each for each in ARGUMENTS[name] or ()]
    called = call(*name.split(), *arguments)
    assert called.code == Exit.UNREACHABLE, called.err
    assert called.err.startswith(f"error: {NOBODY} cannot be reached: ")
    assert (called.out, "Traceback" in called.err) == ("", False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["upload"],
        ["upload", "/nowhere/staff.csv"],
        ["upload", "FILE", "--mapping", "mobile_no"],
        ["upload", "FILE", "FILE", "--idempotency-key", "k"],
        ["queue", "send", "emails", "hello", "--header", "colour"],
        ["queue", "redrive", "emails", "--rate", "5", "--id", "4"],
        ["keys", "create", "payroll"],
        ["keys", "create", "payroll", "--scope", "read", "--expires", "someday"],
        ["dead-letters", "redrive"],
        ["dead-letters", "discard", "--all", "--code", "invalid_email"],
        ["no-such-command"],
        ["uploads", "--profile", "nobody"],
        ["uploads", "--url", "work.example"],
        ["uploads", "--url", "http://x:port"],
        ["uploads", "--url", "http://"],
        ["uploads", "--api-key", "rc_cut…"],
        ["uploads", "--api-key", "rc_line\nend"],
        ["employees", "--csv", "--upload", ID],
        ["correct-row", ID, "1", "email"],
        ["change", ID, "--reset", "colour"],
    ],
    ids=" ".join,
)
def test_what_is_asked_for_wrongly_is_refused_and_never_looks_like_rejected_rows(
    arguments: list[str], file: Path
) -> None:
    called = call(*(str(file) if each == "FILE" else each for each in arguments))
    assert (called.code, called.out) == (Exit.REFUSED, "")
    assert called.err
    assert "Traceback" not in called.err


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "none"])
def test_authorities_that_cannot_be_read_are_named(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorities = tmp_path / "own.pem"
    if content is not None:
        authorities.write_text(content)
    monkeypatch.setenv("ROLLCALL_CA_FILE", str(authorities))
    called = call("uploads", "--url", "https://127.0.0.1:1")
    assert called.code == Exit.REFUSED
    assert str(authorities) in called.err


def test_faults_are_printed_as_a_compiler_prints_them(file: Path) -> None:
    called = call("check", str(file))
    assert called.out == f"{file}:2:3: invalid_mobile: mobile_no has 2 digits: a number has 7 to 15.\n"
    assert (called.code, called.err) == (Exit.REJECTS, f"{file}: 1 rows, 1 would be refused\n")
    piped = call("check", "-", stdin=file.read_bytes())
    assert piped.out == called.out.replace(str(file), "<stdin>")
    assert call("check", "-", "--json", stdin=file.read_bytes()).out.startswith('{"file":"<stdin>","row_number":1,')


def test_file_that_cannot_be_read_is_refused_with_its_code(file: Path) -> None:
    file.write_text("name,company\nAda,X\n")
    called = call("check", str(file), str(file))
    assert called.code == Exit.REFUSED
    assert called.out.count(f"{file}: missing_columns: ") == 2
    assert call("check", str(file.with_name("none.csv"))).code == Exit.REFUSED


def test_encoding_that_is_unclear_shows_how_each_would_read(file: Path) -> None:
    names = "".join(f"Jiří Dvořák,Škoda,+44 20 7946 00{n},j{n}@x.example\n" for n in range(10, 40))
    file.write_bytes(f"name,company,phone,email\n{names}".encode("cp1250"))
    called = call("check", str(file))
    assert "encoding_unclear" in called.out
    assert "--encoding cp1250" in called.err
    assert "Jiří Dvořák" in called.err
    assert call("check", str(file), "--encoding", "cp1250").code == Exit.DONE


@pytest.mark.parametrize("text", ["\x1b[31mred", "two\nlines", "a\tb", "\u202egnp.exe", "\x9b1m"])
def test_nobodys_cell_moves_the_terminal(text: str) -> None:
    assert "\ufffd" in plain(text)
    assert plain(text).isprintable()


def test_a_draft_can_be_changed_in_all_that_an_upload_can_be_given() -> None:
    given = {
        name
        for name, option in inspect.signature(uploads.upload).parameters.items()
        if name in FileOptions.__annotations__ and option.default is None
    }
    assert given <= set(inspect.signature(uploads.change).parameters)
    assert {"encoding", "absent"} <= given


def test_worst_of_several_files_is_how_it_ends() -> None:
    assert worst([]) is Exit.DONE
    assert worst([Exit.DONE, Exit.REJECTS]) is Exit.REJECTS
    assert worst([Exit.REFUSED, Exit.FAILED, Exit.REJECTS]) is Exit.FAILED


def test_version_is_told_before_anything_large_is_imported() -> None:
    script = (
        "import sys; sys.argv = ['rollcall', '--version']\n"
        "from rollcall.__main__ import main; main()\n"
        "print(sorted({'typer', 'rich', 'httpx2', 'msgspec', 'asyncio', 'shared.rows'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == f"rollcall {VERSION}\n[]\n"


def test_shell_completes_subcommands_and_options() -> None:
    def completed(words: str) -> set[str]:
        count = len(words.split()) - (not words.endswith(" "))
        asked = {"_ROLLCALL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count)}
        command = [sys.executable, "-m", "rollcall"]
        done = subprocess.run(command, env={**environment(), **asked}, capture_output=True, text=True)
        return set(done.stdout.split())

    assert completed("rollcall upl") == {"upload", "uploads"}
    assert {"--on-duplicate", "--optional"} <= completed("rollcall upload --o")
    assert completed("rollcall queue re") == {"receive", "redrive", "resume"}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "client")])}
