"""Rollcall as its users meet it: upload a file, follow it to its end, and hold everything there is to the reference."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import tempfile
from collections import defaultdict
from copy import deepcopy
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import httpx2
from aio_pika.abc import AbstractIncomingMessage

from api_service.dead_letters import queue_acquaintance
from shared.amqp.topology import (
    BULK_REQUESTS_QUEUE,
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_QUEUE,
    REQUESTS_QUEUE,
    UPLOADS_QUEUE,
)
from shared.upload_status import FINAL_STATES
from tests.support import effects
from tests.support.broker import Broker
from tests.support.checker import (
    count_differences,
    letter_differences,
    preview_differences,
    report_differences,
    result_differences,
    table_differences,
)
from tests.support.leaks import after_the_end, lasting, of_processes
from tests.support.patience import patience
from tests.support.reference import Expected, Mode
from tests.support.services import Services
from tests.support.waiting import eventually, pause_after

Json = dict[str, Any]

UPLOAD = "/v1/employee-data-upload"


class System:
    def __init__(
        self,
        services: Services,
        client: httpx2.AsyncClient,
        broker: Broker,
        amqp_url: str,
        database_url: str,
        database: asyncpg.Connection,
    ) -> None:
        self.services = services
        self.client = client
        self.broker = broker
        self.database = database
        self._amqp_url = amqp_url
        self._database_url = database_url
        self._letters: dict[str, list[Json]] = defaultdict(list)

    async def reconnect(self) -> None:
        """The test's own connection to the database, anew: the server was restarted."""
        self.database = await asyncpg.connect(self._database_url)

    async def upload(self, file: Path, mode: Mode = "skip", **options: str) -> str:
        """Its id; the answer was a 202."""
        with file.open("rb") as content:
            answer = await self.client.post(
                UPLOAD, files={"employee_data": (file.name, content)}, data={"onDuplicate": mode, **options}
            )
        assert answer.status_code == 202, answer.text
        upload_id: str = answer.json()["id"]
        return upload_id

    async def state(self, upload_id: str) -> Json:
        upload: Json = (await self.client.get(f"/v1/uploads/{upload_id}")).raise_for_status().json()
        return upload

    async def chunks(self, upload_id: str) -> list[tuple[int, int]]:
        """First row and number of rows of each chunk that the ledger has, in file order."""
        query = "SELECT first_row, row_count FROM upload_chunks WHERE upload_id = $1 ORDER BY first_row"
        return [(row["first_row"], row["row_count"]) for row in await self.database.fetch(query, upload_id)]

    async def until_rows_done(self, upload_id: str, rows: int, *, seconds: float = 60) -> None:
        """Wait until an upload is so far, and make sure that it is not finished yet."""

        async def so_far_or_finished() -> bool:
            # Not through the API, which may be away.
            query = "SELECT rows_done >= $2 OR finished_at IS NOT NULL FROM uploads WHERE id = $1"
            return bool(await self.database.fetchval(query, upload_id, rows))

        await eventually(so_far_or_finished, seconds=seconds)
        finished = "SELECT finished_at IS NOT NULL FROM uploads WHERE id = $1"
        assert not await self.database.fetchval(finished, upload_id), "finished before the test could disturb it"

    async def until_finished(self, upload_id: str, *, seconds: float = 90) -> Json:
        """The finished upload. An API that is being started again meanwhile is waited for."""
        clock = asyncio.get_running_loop().time
        began, allowed = clock(), seconds
        upload: Json = {}
        # Asked anew each time: the machine may become busy meanwhile.
        while clock() < began + (allowed := max(allowed, seconds * patience())):
            with contextlib.suppress(httpx2.TransportError, httpx2.HTTPStatusError):
                upload = await self.state(upload_id)
                if upload["status"] in FINAL_STATES:
                    return upload
            await asyncio.sleep(pause_after(clock() - began))
        raise AssertionError(f"not finished after {allowed:.0f} s: {upload}\n{self.services.last_lines()}")

    async def until_previewed(self, upload_id: str, *, seconds: float = 90) -> Json:
        """The previewed upload. An API that is being started again meanwhile is waited for."""
        upload: Json = {}

        async def is_previewed() -> bool:
            try:
                upload.update(await self.state(upload_id))
            except (httpx2.TransportError, httpx2.HTTPStatusError):
                return False
            return bool(upload["status"] == "previewed")

        await eventually(is_previewed, seconds=seconds)
        return upload

    async def until_consumed_by(self, consumers: int) -> None:
        async def consumed() -> bool:
            return (await self.broker.state(REQUESTS_QUEUE)).consumers == consumers

        await eventually(consumed, seconds=60)

    async def until_drained(self) -> None:
        """Every queue but the dead letters is empty, and what is in hand is acknowledged."""

        async def drained() -> bool:
            for queue in (REQUESTS_QUEUE, BULK_REQUESTS_QUEUE, UPLOADS_QUEUE, DEAD_CHUNKS_QUEUE):
                if (await self.broker.state(queue)).ready:
                    return False
            return True

        await eventually(drained, seconds=30)

    async def differences(
        self, upload: Json, expected: Expected, *, after_crash: bool = False, keep_letters: bool = False
    ) -> list[str]:
        """Counts, table, reports and dead letters against the reference. The letters leave the queue, unless kept."""
        await self.until_drained()
        await self.until_letters_are_out()
        report = await self.client.get(f"/v1/uploads/{upload['id']}/rejects.csv")
        return [
            *count_differences(upload, expected),
            *await table_differences(self.database, expected),
            *report_differences(report.raise_for_status().text, expected, upload["delimiter"]),
            *await self.result_differences(upload, expected),
            *letter_differences(await self.letters(upload["id"], keep=keep_letters), expected, may_repeat=after_crash),
        ]

    async def preview_differences(self, upload: Json, expected: Expected) -> list[str]:
        """What is previewed against the reference, and that nothing was done."""
        await self.until_drained()
        report = await self.client.get(f"/v1/uploads/{upload['id']}/rejects.csv")
        counted = {table: await effects.count(self.database, table) for table in ("employees", "rejected_rows")}
        return [
            *preview_differences(upload, expected),
            *report_differences(report.raise_for_status().text, expected, upload["delimiter"]),
            *await self.result_differences(upload, expected, is_preview=True),
            *(f"{table}: {count}" for table, count in counted.items() if count),
        ]

    async def result_differences(self, upload: Json, expected: Expected, *, is_preview: bool = False) -> list[str]:
        """What became of each row against the reference."""
        with tempfile.TemporaryFile() as file:
            async with self.client.stream("GET", f"/v1/uploads/{upload['id']}/results.csv") as answer:
                async for block in answer.raise_for_status().aiter_bytes():
                    file.write(block)
            file.seek(0)
            with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
                return result_differences(
                    csv.reader(text, delimiter=upload["delimiter"]), expected, is_preview=is_preview
                )

    async def leftovers(self) -> list[str]:
        """End the services. Returns what they leaked while they idled, and what they left behind."""
        await self.until_drained()
        held = await lasting(lambda: of_processes(self.services))
        await self.services.end()
        return held + await lasting(lambda: after_the_end(self.services, self.broker, self.database))

    async def until_letters_are_out(self) -> None:
        """A chunk's letters follow its commit, so the last may come after the upload's end.

        An entry that came back as the database was killed is published again by the sweep, when it is old enough. An
        API that looks at the queue for the first time turns it, and has some of its letters in hand meanwhile.
        """

        async def all_out() -> bool:
            marker = await self.database.fetchval(queue_acquaintance.MARKER.text)
            return await self.broker.has_exchange(marker) and await effects.count_unpublished(self.database) == 0

        await eventually(all_out, seconds=180)

    async def _has_letters(self, at_least: int) -> bool:
        return (await self.broker.state(DEAD_LETTERS_QUEUE)).ready >= at_least

    async def letters(self, upload_id: str, *, keep: bool = False) -> list[Json]:
        """All of an upload's that the queue held, now or when it was last emptied, which it is unless they are kept."""
        count = (await self.broker.state(DEAD_LETTERS_QUEUE)).ready
        taken: list[AbstractIncomingMessage] = []

        async def take(message: AbstractIncomingMessage) -> None:
            taken.append(message)

        async with await aio_pika.connect(self._amqp_url) as connection:
            queue = await (await connection.channel()).get_queue(DEAD_LETTERS_QUEUE, ensure=False)
            await queue.consume(take, no_ack=not keep)
            await eventually(lambda: len(taken) >= count, seconds=60)
        if keep:
            # The broker has them back some time after the connection is closed.
            await eventually(lambda: self._has_letters(count), seconds=60)
        letters = self._letters if not keep else deepcopy(self._letters)
        for message in taken:
            letter = json.loads(message.body)
            assert message.message_id == f"{letter['uploadId']}:{letter['rowNumber']}:{letter['attempt']}"
            letters[letter["uploadId"]].append(letter)
        return letters[upload_id]
