"""What can be done with an upload after its end: its undo beside the upload itself, its results, its corrections.

The undo is measured in turns with its upload, on a new database each round, with each service's peak memory.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, get_args

import httpx2

from benchmarks.figures import Check, Figure, Outcome, at_least, at_most, rounded, spelled
from benchmarks.rig import Rig, rig
from benchmarks.uploading import FINISH_SECONDS, get_json, post, send_json, until_finished
from deploy.sample import write_sample
from tests.support.mixed_file import write_mixed_file
from tests.support.services import Kind, Services

MEMORY_MIB: Final = 160
LEAST_SHARE: Final = 0.8
POLL_SECONDS: Final = 0.1
REJECTS: Final = 300
UPLOAD_COUNTS: Final = {
    "inserted": "inserted",
    "updated": "updated",
    "duplicate": "duplicates",
    "rejected": "rejected",
    "unprocessed": "unprocessed",
}

Json = dict[str, Any]


def add_undo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the upload (1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="uploads and undos in turns (3)")


def add_results_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the upload (1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="downloads, one after the other (3)")


def add_corrections_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the upload (200000)")
    parser.add_argument("--rejects", type=int, default=REJECTS, help=f"rejected rows among them ({REJECTS})")


async def measure_undo(options: argparse.Namespace) -> Outcome:
    samples: dict[str, list[float]] = {}
    with rig() as here:
        for number in range(1, options.rounds + 1):
            async for name, value in _round(here, options.rows):
                samples.setdefault(name, []).append(rounded(value))
                print(f"  round {number}: {name}: {spelled(value)}", flush=True)
    figures = {name: Figure(name, _unit(name), tuple(taken)) for name, taken in samples.items()}
    checks = [
        at_least(f"undo of {what} / its upload", figures[f"undo of {what}"].median / figures[what].median, LEAST_SHARE)
        for what in ("inserted rows", "updated rows")
    ]
    checks += [
        at_most(figure.name, max(figure.samples), MEMORY_MIB, "MiB")
        for figure in figures.values()
        if figure.unit == "MiB"
    ]
    setup = f"{options.rows:,} rows inserted, as many updated, both undone; 2 consumers; {options.rounds} rounds"
    return Outcome(setup, list(figures.values()), checks)


async def measure_results(options: argparse.Namespace) -> Outcome:
    seconds, peaks = [], []
    with rig() as here:
        async with here.database() as url, here.services(url) as services:
            file = here.folder / "mixed.csv"
            write_mixed_file(file, options.rows, bad_share=0.001, duplicate_share=0.05)
            upload = await until_finished(services.api.url, await post(services.api.url, file))
            for number in range(1, options.rounds + 1):
                services.api.forget_peak_memory()
                begin = time.perf_counter()
                await _require_each_row_once(services.api.url, upload)
                seconds.append(rounded(time.perf_counter() - begin))
                peaks.append(rounded(services.api.peak_memory_mib()))
                print(f"  round {number}: {spelled(seconds[-1])} s, {spelled(peaks[-1])} MiB", flush=True)
    figures = [
        Figure("results.csv", "rows/s", tuple(rounded(upload["rowsRead"] / each) for each in seconds)),
        Figure("peak memory of the API", "MiB", tuple(peaks)),
    ]
    setup = f"a mixed file of {upload['rowsRead']:,} rows, each named once; {options.rounds} downloads"
    return Outcome(setup, figures, [at_most("peak memory of the API", max(peaks), MEMORY_MIB, "MiB")])


async def measure_corrections(options: argparse.Namespace) -> Outcome:
    with rig() as here:
        async with here.database() as url, here.services(url) as services:
            file = here.folder / "rejects.csv"
            _write_with_rejects(file, options.rows, options.rejects)
            upload = await until_finished(services.api.url, await post(services.api.url, file))
            assert (upload["status"], upload["rejected"]) == ("partially_succeeded", options.rejects), upload
            begin = time.perf_counter()
            await _correct_all(services.api.url, upload["id"])
            seconds = rounded(time.perf_counter() - begin)
            upload = get_json(services.api.url, f"/v1/uploads/{upload['id']}")
    assert (upload["rejected"], upload["inserted"]) == (0, options.rows), upload
    succeeded = Check("uploads that are `succeeded` in the end", float(upload["status"] == "succeeded"), 1, "at least")
    name = f"from rejects.csv to `succeeded`, {options.rejects} rows"
    return Outcome(f"{options.rows:,} rows", [Figure(name, "s", (seconds,))], [succeeded])


async def _round(rig: Rig, rows: int) -> AsyncIterator[tuple[str, float]]:
    """Rows a second and peak memories of two uploads of the same people, and of their undos, the later one first."""
    first, second = rig.folder / "first.csv", rig.folder / "second.csv"
    write_sample(first, rows, 0)
    second.write_text(first.read_text().replace("+", "+1", rows))
    async with rig.database() as url, rig.services(url) as services:
        ids = {}
        for what, file in (("inserted rows", first), ("updated rows", second)):
            _forget_memory(services)
            begin = time.perf_counter()
            upload_id = await _post_update(services.api.url, file)
            upload = await until_finished(services.api.url, upload_id)
            ids[what] = upload["id"]
            assert upload[what.partition(" ")[0]] == rows, upload
            yield what, rows / (time.perf_counter() - begin)
            for kind, peak in _peaks(services).items():
                yield f"{kind}, upload of {what}", peak
        for what in ("updated rows", "inserted rows"):
            _forget_memory(services)
            begin = time.perf_counter()
            undone = await _undo(services.api.url, ids[what])
            assert undone["restored" if what == "updated rows" else "deleted"] == rows, undone
            yield f"undo of {what}", rows / (time.perf_counter() - begin)
            for kind, peak in _peaks(services).items():
                yield f"{kind}, undo of {what}", peak


async def _post_update(api: str, file: Path) -> str:
    async with httpx2.AsyncClient(base_url=api, timeout=FINISH_SECONDS) as client:
        with file.open("rb") as content:
            answer = await client.post(
                "/v1/employee-data-upload",
                files={"employee_data": (file.name, content)},
                data={"onDuplicate": "update"},
            )
    return str(answer.raise_for_status().json()["id"])


async def _undo(api: str, upload_id: str) -> Json:
    await asyncio.to_thread(send_json, api, "POST", f"/v1/uploads/{upload_id}/undo", None)
    return await _until(api, upload_id, "undone")


async def _until(api: str, upload_id: str, status: str) -> Json:
    deadline = time.monotonic() + FINISH_SECONDS
    while time.monotonic() < deadline:
        upload = await asyncio.to_thread(get_json, api, f"/v1/uploads/{upload_id}")
        if upload["status"] == status:
            return upload
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"not {status} after {FINISH_SECONDS} s")


async def _require_each_row_once(api: str, upload: Json) -> None:
    """Read as it comes: this client holds no more of it than the API does."""
    next_row = 1
    outcomes: Counter[str] = Counter()
    async with (
        httpx2.AsyncClient(base_url=api, timeout=FINISH_SECONDS) as client,
        client.stream("GET", f"/v1/uploads/{upload['id']}/results.csv") as answer,
    ):
        held = ""
        columns: list[str] = []
        async for block in answer.raise_for_status().aiter_text():
            # A line end may stand in quotes: then what came so far has an odd number of them.
            lines, held = _whole_lines(held + block)
            for cells in csv.reader(io.StringIO(lines, newline=""), delimiter=upload["delimiter"]):
                if not columns:
                    columns = [cell.removeprefix("\ufeff") for cell in cells]
                    continue
                row = dict(zip(columns, cells, strict=True))
                assert int(row["row_number"]) == next_row, f"row {row['row_number']} instead of {next_row}"
                outcomes[row["outcome"]] += 1
                next_row += 1
    assert not held, "the last line has no end"
    told = {outcome: upload[name] for outcome, name in UPLOAD_COUNTS.items() if upload[name]}
    assert outcomes == told, (outcomes, told)


def _whole_lines(text: str) -> tuple[str, str]:
    end = text.rfind("\n") + 1
    while end and text.count('"', 0, end) % 2:
        end = text.rfind("\n", 0, end - 1) + 1
    return text[:end], text[end:]


def _write_with_rejects(file: Path, rows: int, rejects: int) -> None:
    every = rows // rejects
    with file.open("w") as lines:
        lines.write("employee_name,company_name,mobile_no,email\n")
        for row in range(rows):
            is_bad = row % every == 0 and row // every < rejects
            mobile = "ask reception" if is_bad else f"+44 20 7946 {row % 10_000:04d}"
            lines.write(f"Ada Quist {row},Tidewater Labs,{mobile},ada.{row}@tidewater.example\n")


async def _correct_all(api: str, upload_id: str) -> None:
    async with httpx2.AsyncClient(base_url=api, timeout=FINISH_SECONDS) as client:
        report = (await client.get(f"/v1/uploads/{upload_id}/rejects.csv")).raise_for_status().text
        mended = report.replace("ask reception", "+44 20 7946 0000")
        answer = await client.post(
            f"/v1/uploads/{upload_id}/corrections", files={"employee_data": ("rejects.csv", mended.encode())}
        )
        answer.raise_for_status()
    await _until(api, upload_id, "succeeded")


def _unit(name: str) -> str:
    return "rows/s" if name.endswith(" rows") and "," not in name else "MiB"


def _peaks(services: Services) -> dict[Kind, float]:
    return {kind: max(each.peak_memory_mib() for each in services.of(kind)) for kind in get_args(Kind)}


def _forget_memory(services: Services) -> None:
    for service in services.all:
        service.forget_peak_memory()
