"""The commands of the tutorial and the how-tos, and the examples, do with the real system what is said of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.consoles import commands_of, outputs_of
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.servers import CHECKOUT
from tests.support.services import Services

SECONDS = 180
DOCUMENTS = [
    path.relative_to(CHECKOUT)
    for path in (CHECKOUT / "docs" / "tutorial.md", *sorted((CHECKOUT / "docs" / "how-to").glob("*.md")))
    if "```console" in path.read_text()
]
EXAMPLES = CHECKOUT / "examples"
HEADER = "employee_name,company_name,mobile_no,email"


@pytest.fixture
async def services(services: Services) -> Services:
    await services.start_all(consumers=1)
    return services


async def test_commands_print_what_their_document_says(services: Services, tmp_path: Path) -> None:
    addresses = {"localhost:8000": services.api_url.removeprefix("http://")}
    assert DOCUMENTS
    for document in DOCUMENTS:
        commands = commands_of((CHECKOUT / document).read_text())
        folder = tmp_path / document.stem
        folder.mkdir()
        outputs = await outputs_of(commands, folder, addresses, seconds=SECONDS * patience())
        for command, output in zip(commands, outputs, strict=True):
            assert command.prints(output), (
                f"{document} shows of\n{command.text}\n\n{command.shown}\n\nIt printed\n\n{output}"
            )


async def run(services: Services, program: str, *arguments: str) -> tuple[int, str]:
    """The status of an example, and what it printed."""
    words = ["sh"] if program.endswith(".sh") else [sys.executable]
    process = await asyncio.create_subprocess_exec(
        *words,
        str(EXAMPLES / program),
        *arguments,
        env={**os.environ, "ROLLCALL_URL": services.api_url},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS * patience())
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_examples_do_what_they_say(services: Services, tmp_path: Path) -> None:
    staff = tmp_path / "staff.csv"
    good = [f"Ada {at},Fjord AS,+47 22 55 01 {at},ada{at}@fjord.example" for at in range(10, 40)]
    staff.write_text("\n".join([HEADER, *good, "Bob,Fjord AS,555 0103 / 555 0104,bob@fjord.example", ""]))

    status, said = await run(services, "upload.py", str(staff))
    assert (status, said.splitlines()[0]) == (2, "partially_succeeded: 31 rows, 30 new, 1 refused")
    assert f"{staff}:32: " in said

    async with plain_client(services.api_url) as api:
        upload_id = (await api.get("/v1/uploads")).json()["data"][0]["id"]
    assert await run(services, "correct_rejects.py", upload_id) == (0, "1 rows are in, 0 are still refused\n")

    staff.write_text("\n".join([HEADER, *good, "Cy,Fjord AS,+47 22 55 01 99,cy@fjord.example", ""]))
    status, said = await run(services, "nightly_import.py", str(staff))
    assert (status, said.splitlines()) == (
        0,
        ["would insert 1, update 30, refuse 0", "succeeded: 1 inserted, 30 updated, 0 refused"],
    )
    staff.write_text("\n".join([HEADER, good[0], "Di,Fjord AS,none,di@fjord.example", ""]))
    status, said = await run(services, "nightly_import.py", str(staff))
    assert (status, said.splitlines()[0]) == (1, "would insert 0, update 1, refuse 1")

    lines = tmp_path / "lines.jsonl"
    lines.write_text("".join(json.dumps({"to": f"person{at}@fjord.example"}) + "\n" for at in range(3)))
    assert (await run(services, "send_messages.sh", "examples", str(lines)))[0] == 0
    status, said = await run(services, "queue_worker.py", "examples", "3")
    assert (status, said.splitlines()) == (0, [f"sending to person{at}@fjord.example" for at in range(3)])
    async with plain_client(services.api_url) as api:
        queue = (await api.get("/v1/queues/examples")).json()
    assert (queue["visible"], queue["inFlight"]) == (0, 0)


def test_a_command_that_prints_something_else_is_noticed() -> None:
    [shown, other] = commands_of("```console\n$ echo a \\\n  b\na b …\n$ true\n```\n")
    assert shown.text == "echo a    b"
    assert shown.prints("a b c\n")
    assert not shown.prints("a c\n")
    assert other.prints("")
    assert not other.prints("an error")


def test_every_example_is_run_and_listed() -> None:
    programs = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".sh")}
    listed = (EXAMPLES / "README.md").read_text()
    source = Path(__file__).read_text()
    assert [name for name in programs if f"]({name})" not in listed or f'"{name}"' not in source] == []
