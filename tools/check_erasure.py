"""Holds a certificate of an erasure to all that an installation has: tables, stored files, queues, logs and dumps.

    python -m tools.check_erasure --email asha.rao@example.com --certificate certificate.json PATH...

The services' own environment says where things are (`ROLLCALL_DATABASE_URL`, `ROLLCALL_AMQP_URL`,
`ROLLCALL_UPLOAD_STORE_URL`, `ROLLCALL_ERASURE_KEY`). PATHs are logs and dumps, or folders of them. It says where the
person is named still, never what stands there, and ends with status 1 if anywhere. Messages are looked at and put back.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import aio_pika
import asyncpg
from pydantic import SecretStr

from api_service.erasures.originals import original_names
from shared.amqp.topology import (
    BULK_REQUESTS_QUEUE,
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_QUEUE,
    REQUESTS_QUEUE,
    UPLOADS_QUEUE,
)
from shared.database.suppressions import PersonHash
from shared.rows.named_people import NamedPeople, folded_email
from shared.upload_store import ObjectMissing, UploadStore

if TYPE_CHECKING:
    from collections.abc import Sequence

QUEUES: Final = (REQUESTS_QUEUE, BULK_REQUESTS_QUEUE, DEAD_LETTERS_QUEUE, DEAD_CHUNKS_QUEUE, UPLOADS_QUEUE)
# Messages of other people's programs (docs/erasure.md).
NOT_COVERED: Final = frozenset({"queue_messages"})
_STATISTICS: Final = """
    SELECT tablename, attname FROM pg_stats
    WHERE schemaname = 'public' AND strpos(lower(CAST(pg_stats AS text)), $1) > 0
"""
_escaped = re.compile(r"\\u([0-9a-fA-F]{4})")


class Check:
    """Of one certificate; `findings` says what does not hold."""

    def __init__(self, email: str, certificate: dict[str, Any]) -> None:
        self.findings: list[str] = []
        self.looked_at: dict[str, int] = {}
        self._email = email
        self._people = NamedPeople(email.__eq__)
        self._certificate = certificate

    def person(self, key: str) -> None:
        """The certificate is about the one with this email, and finished."""
        if self._certificate["person"] != PersonHash(SecretStr(key)).of(self._email):
            self.findings.append("certificate: it is about somebody else, or made with another key")
        if self._certificate["status"] != "succeeded":
            self.findings.append(f"certificate: the erasure is {self._certificate['status']}")

    async def tables(self, database_url: str) -> None:
        """Every row of every table."""
        connection = await asyncpg.connect(database_url)
        try:
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for table in sorted(each["tablename"] for each in tables):
                if table not in NOT_COVERED:
                    await self._table(connection, table)
            for column in await connection.fetch(_STATISTICS, self._email):
                self.findings.append(f"statistics of {column['tablename']}.{column['attname']}")
        finally:
            await connection.close()

    async def _table(self, connection: asyncpg.Connection, table: str) -> None:
        copied = io.BytesIO()
        await connection.copy_from_query(f'SELECT to_jsonb(t)::text FROM "{table}" AS t', output=copied)
        for number, line in enumerate(copied.getvalue().decode().splitlines(), 1):
            self._look(f"table {table}, row {number} of its copy", line.replace("\\\\", "\\"))

    async def store(self, store_url: str, database_url: str) -> None:
        """Every object, and the hashes of the files that the certificate names."""
        store = UploadStore(store_url)
        keys = await stored_keys(store_url)
        for key in keys:
            self._count("store")
            open_object = partial(store.open_blocking, key)
            if await asyncio.to_thread(original_names, open_object, self._people, self._email):
                self.findings.append(f"stored file {key}")
        connection = await asyncpg.connect(database_url)
        try:
            for file in self._certificate["files"]:
                upload = await connection.fetchrow(
                    "SELECT object_key, sha256 FROM uploads WHERE id = $1 AND file_deleted_at IS NULL", file["uploadId"]
                )
                if upload is not None and file["sha256After"] is not None:
                    await self._hash(store, upload, file)
        finally:
            await connection.close()

    async def _hash(self, store: UploadStore, upload: asyncpg.Record, file: dict[str, Any]) -> None:
        digest = hashlib.sha256()
        try:
            async for block in store.stream(upload["object_key"]):
                digest.update(block)
        except ObjectMissing:
            self.findings.append(f"stored file of upload {file['uploadId']}: missing")
            return
        if digest.hexdigest() != upload["sha256"]:
            self.findings.append(f"stored file of upload {file['uploadId']}: not the one on record")
        if file["sha256Before"] == upload["sha256"] and file["action"] == "redacted":
            self.findings.append(f"stored file of upload {file['uploadId']}: its hash has not changed")

    async def queues(self, amqp_url: str) -> None:
        """Every message that waits. All are given back when the connection ends."""
        connection = await aio_pika.connect(amqp_url.split(",")[0])
        try:
            channel = await connection.channel()
            for name in QUEUES:
                queue = await channel.declare_queue(name, passive=True)
                for number in range(queue.declaration_result.message_count or 0):
                    message = await queue.get(fail=False)
                    if message is None:
                        break
                    self._look(f"queue {name}, message {number + 1}", message.body.decode("utf-8", "replace"))
        finally:
            await connection.close()

    def files(self, paths: Sequence[Path]) -> None:
        """Logs and dumps, line by line."""
        for path in _files(paths):
            with path.open(encoding="utf-8", errors="replace") as lines:
                for number, line in enumerate(lines, 1):
                    self._look(f"file {path}, line {number}", line)

    def _look(self, where: str, text: str) -> None:
        self._count(where.partition(",")[0])
        unescaped = _escaped.sub(lambda found: chr(int(found[1], 16)), text) if "\\u" in text else text
        if self._people.are_named_in(text) or self._people.are_named_in(unescaped):
            self.findings.append(where)

    def _count(self, what: str) -> None:
        self.looked_at[what] = self.looked_at.get(what, 0) + 1


async def stored_keys(store_url: str) -> list[str]:
    """Of all objects that are whole."""
    if store_url.startswith("file://"):
        return await asyncio.to_thread(_names_in, Path(unquote(urlsplit(store_url).path)))
    return [key async for key in UploadStore(store_url).list_older_than(timedelta(0))]


def _names_in(folder: Path) -> list[str]:
    # The library hides what has no name of its own yet.
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "#" not in path.name]


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from (each for each in path.rglob("*") if each.is_file()) if path.is_dir() else (path,)


async def run(arguments: argparse.Namespace, environment: dict[str, str]) -> Check:
    """Everything that the environment names, and the files."""
    email = folded_email(arguments.email)
    if email is None:
        raise SystemExit("--email must be one email address")
    check = Check(email, json.loads(arguments.certificate.read_text()))
    check.person(environment["ROLLCALL_ERASURE_KEY"])
    await check.tables(environment["ROLLCALL_DATABASE_URL"])
    await check.store(environment["ROLLCALL_UPLOAD_STORE_URL"], environment["ROLLCALL_DATABASE_URL"])
    await check.queues(environment["ROLLCALL_AMQP_URL"])
    check.files(arguments.paths)
    return check


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.check_erasure", description=__doc__.split("\n")[0])
    parser.add_argument("--email", required=True, help="whose erasure it was")
    parser.add_argument(
        "--certificate", required=True, type=Path, help="what GET /v1/erasures/{id} answered, as a file"
    )
    parser.add_argument("paths", nargs="*", type=Path, help="logs and dumps, or folders of them")
    check = asyncio.run(run(parser.parse_args(), dict(os.environ)))
    print(f"looked at {sum(check.looked_at.values())} rows, files, messages and lines in {len(check.looked_at)} places")
    for finding in check.findings:
        print(f"still named: {finding}" if not finding.startswith("certificate") else finding)
    print("the certificate holds" if not check.findings else "the certificate does NOT hold")
    return 1 if check.findings else 0


if __name__ == "__main__":
    sys.exit(main())
