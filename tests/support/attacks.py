"""What clients and files can do to the memory of the services, legal or not, by the name of each.

Every attack returns once it has had its effect, and fails by itself only where it got an answer that none may get: one
in the five hundreds, but for 503 and 507, which say when to try again.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import httpx2

from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from tests.support.broker import Broker
from tests.support.services import Services
from tests.support.uploads import HEADER, insert_rejects, insert_upload, send
from tests.support.waiting import eventually

KIBIBYTE: Final = 1024
MEBIBYTE: Final = 1024 * 1024
BLOCK: Final = b"x" * MEBIBYTE
ANSWER_SECONDS: Final = 180
ALLOWED: Final = frozenset({0, 503, 504, 507})


@dataclass(frozen=True)
class Target:
    """The system under attack. `wide_rejects` is an upload with many rejects of thousands of cells each."""

    services: Services
    broker: Broker
    wide_rejects: uuid.UUID

    @property
    def urls(self) -> list[str]:
        return [service.url for service in self.services.all]


Attack = Callable[[Target], Awaitable[None]]


async def prepare(database: asyncpg.Connection) -> uuid.UUID:
    """An upload with 100 rejects of 16,000 short cells each: 10 MB as text, and ten times as much as objects."""
    upload_id = await insert_upload(database, status="failed", finished_at=datetime.now(UTC))
    for start in range(1, 101, 50):
        rows = [(row, [f"{row % 90 + 10}"] * 16_000) for row in range(start, start + 50)]
        await insert_rejects(database, upload_id, rows)
    return upload_id


async def answer_to(url: str, parts: Iterable[bytes], *, take: bool = True, pause_seconds: float = 0) -> int:
    """The status of the answer to these bytes; 0 if there was none. Without `take` the answer is left where it is."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=KIBIBYTE)
    try:
        status = asyncio.create_task(_status(reader, take=take))
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                if status.done():
                    break
        except ConnectionError:
            pass
        if pause_seconds:
            await asyncio.wait({status}, timeout=pause_seconds)
            return status.result() if status.done() else 0
        return await status
    finally:
        writer.close()


async def _status(reader: asyncio.StreamReader, *, take: bool) -> int:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            line = await reader.readline()
            while take and await reader.read(64 * KIBIBYTE):
                pass
    except (ConnectionError, TimeoutError, ValueError):
        return 0
    return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0


def head(method: str, path: str, *more: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *more, "", ""]).encode()


def post(path: str, body: Sequence[bytes], media_type: str = "application/json") -> list[bytes]:
    length = sum(map(len, body))
    return [head("POST", path, f"Content-Length: {length}", f"Content-Type: {media_type}"), *body]


async def all_at_once(calls: Iterable[Awaitable[int]]) -> None:
    statuses = await asyncio.gather(*calls)
    wrong = sorted({status for status in statuses if status >= 500} - ALLOWED)
    assert not wrong, f"answered {wrong}"


def upload(content: Sequence[bytes]) -> list[bytes]:
    start = b'--b\r\nContent-Disposition: form-data; name="employee_data"; filename="e.csv"\r\n\r\n'
    return post("/v1/employee-data-upload", [start, *content, b"\r\n--b--\r\n"], "multipart/form-data; boundary=b")


async def endless_headers(target: Target) -> None:
    one = [b"GET / HTTP/1.1\r\nX: ", *[BLOCK] * 100]
    many = [b"GET / HTTP/1.1\r\n", *[b"X: y\r\n" * 100_000] * 50]
    await all_at_once(answer_to(url, parts) for url in target.urls for parts in (one, many))


async def slow_headers(target: Target) -> None:
    parts = [b"GET / HTTP/1.1\r\nX: " + b"x" * 60 * KIBIBYTE]
    await all_at_once(answer_to(url, parts) for url in target.urls for _ in range(150))


async def many_requests_in_one_piece(target: Target) -> None:
    parts = [b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 8_000]
    await all_at_once(answer_to(url, parts) for url in target.urls for _ in range(50))


async def bodies_where_none_is_wanted(target: Target) -> None:
    paths = ("/livez", "/v1/dead-letters/redrive", "/nowhere")
    await all_at_once(answer_to(url, post(path, [BLOCK] * 100)) for url in target.urls for path in paths)


async def paused_uploads(target: Target) -> None:
    """60 uploads of 5 MiB that pause shortly before their end."""
    start, *blocks = upload([HEADER, *[BLOCK] * 5])
    parts = [start, *blocks[:-3], BLOCK[: 3 * MEBIBYTE // 4]]
    api = target.services.api.url
    await all_at_once(answer_to(api, parts, pause_seconds=20) for _ in range(60))


async def uploads_at_once(target: Target) -> None:
    """60 of 5 MiB, which end, and are refused for what is in them."""
    parts = upload([HEADER, b"\0" + BLOCK[1:], *[BLOCK] * 4])
    await all_at_once(answer_to(target.services.api.url, parts) for _ in range(60))


async def uploads_of_unclear_encodings(target: Target) -> None:
    """20 whose bytes could be read in many ways, and lines that never end in some of them."""
    rows = b"M\xfcller %d,Stra\xdfe,+4930123456,m%d@umlaut.example\n"
    lines = HEADER + b"".join(rows % (number, number) for number in range(20_000))
    endless = HEADER + b"M\xfcller Stra\xdfe;" * 200_000
    files = [[lines], [endless]] * 10
    await all_at_once(answer_to(target.services.api.url, upload(file)) for file in files)


async def large_invalid_requests(target: Target) -> None:
    """A body of 300 MB that is no request, with and without its length."""
    item = b"0," * (MEBIBYTE // 2)
    sized = post("/v1/requests", [b'{"messages": [', *[item] * 300])
    chunk = b"%x\r\n%b\r\n" % (len(item), item)
    unsized = [
        head("POST", "/v1/requests", "Transfer-Encoding: chunked", "Content-Type: application/json"),
        b'e\r\n{"messages": [\r\n',
        *[chunk] * 300,
    ]
    await all_at_once(answer_to(target.services.producer.url, parts) for parts in (sized, unsized))


async def large_requests(target: Target) -> None:
    """1,000 texts of 64 KiB in one body, and each in its own, 200 at a time; texts of two letters as many as fit."""
    text = json.dumps("x" * 64 * KIBIBYTE).encode()
    one = post("/v1/requests", [b'{"messages": [', *[text + b","] * 999, text + b"]}"])
    single = post("/v1/requests", [b'{"messages": [' + text + b"]}"])
    short = post("/v1/requests", [b'{"messages": [' + b'"ab",' * 400_000 + b'"ab"]}'])
    producer = target.services.producer.url
    await all_at_once(answer_to(producer, parts) for parts in (one, *[single] * 200, *[short] * 20))


async def large_sends(target: Target) -> None:
    """8 sends of 14 MiB to lease queues, half of them of characters that take four bytes each as text."""
    plain = json.dumps("x" * 14_000).encode()
    mixed = json.dumps("x" * 13_990 + "\U0001f600", ensure_ascii=False).encode()
    api = target.services.api.url

    def batch(number: int) -> list[bytes]:
        messages = [b'{"payload":' + (mixed if number % 2 else plain) + b"},"] * 999
        return post(f"/v1/queues/q{number}/messages", [b'{"messages":[', *messages, messages[0][:-1], b"]}"])

    await all_at_once(answer_to(api, batch(number)) for number in range(8))
    receive = [post(f"/v1/queues/q{n}/receive", [b'{"consumerId":"c","limit":1000}']) for n in range(8)]
    await all_at_once(answer_to(api, parts) for parts in receive * 2)
    await all_at_once(answer_to(api, [head("DELETE", f"/v1/queues/q{number}/messages")]) for number in range(8))


async def pages_of_wide_rows(target: Target) -> None:
    paths = [
        f"/v1/uploads/{target.wide_rejects}/rejects?limit=250",
        f"/v1/uploads/{target.wide_rejects}/rejects.csv",
        "/v1/dead-letters?limit=1000",
    ]
    api = target.services.api.url
    await all_at_once(answer_to(api, [head("GET", path)]) for path in paths * 4)


async def answers_that_nobody_takes(target: Target) -> None:
    paths = [f"/v1/uploads/{target.wide_rejects}/{path}" for path in ("rejects?limit=250", "rejects.csv")]
    calls = [answer_to(target.services.api.url, [head("GET", path)], take=False) for path in paths * 40]
    await all_at_once(calls)


async def wide_uploads(target: Target) -> None:
    """32 files of 16,000 columns without a character in them, and of long rows of characters of several bytes."""
    columns = b"employee_name,company_name,mobile_no,email" + b"".join(b",c%d" % number for number in range(15_996))
    empty = [columns + b"\n", *[b"a" + b"," * 15_999 + b"\n"] * 25]
    short = [HEADER, *[b"ab," * 20_000 + b"\n"] * 25]
    letters = "姓" * 60 + "," + "公" * 60 + ",9876543210,"
    lines = "".join(f"{letters}p{number}@wide.example\n" for number in range(5_000)).encode()
    files = [empty] * 11 + [short] * 11 + [[HEADER, lines]] * 10
    await all_at_once(answer_to(target.services.api.url, upload(file)) for file in files)


async def files_of_tiny_rows(target: Target) -> None:
    files = [[HEADER, b"a\n" * 20_000], [HEADER, b"ab\n" * 20_000]]
    await all_at_once(answer_to(target.services.api.url, upload(file)) for file in files * 2)


async def forged_messages(target: Target) -> None:
    """Messages of 13 MiB that decode to ten times as much, or to nothing."""
    upload_id = uuid.uuid4()
    start = f'{{"kind":"chunk","version":1,"upload_id":"{upload_id}","first_row":1,"byte_count":1,"layout":'
    layout = '[4,{"employee_name":[0],"company_name":[1],"mobile_no":[2],"email":[3]}],"line_numbers":[2],"rows":[['
    cells = (start + layout).encode() + b'"ab",' * 2_600_000 + b'"ab"]]}'
    redrive = f'{{"kind":"redrive","version":1,"upload_id":"{upload_id}","rows":['.encode() + b"[1,1]," * 2_200_000
    for body in (cells, redrive + b"[1,1]]}", b"x" * 13 * MEBIBYTE):
        await target.broker.request(body, message_id=uuid.uuid4().hex)
    await eventually(lambda: target.broker.has_ready(REQUESTS_QUEUE, 0), seconds=120)


ATTACKS: Final[dict[str, Attack]] = {
    "100 MB of headers, in one or in thousands": endless_headers,
    "150 heads of 60 KiB that never end": slow_headers,
    "50 times 8,000 requests in one piece": many_requests_in_one_piece,
    "100 MB of body where none is wanted": bodies_where_none_is_wanted,
    "60 uploads of 5 MiB that pause": paused_uploads,
    "60 uploads of 5 MiB at once": uploads_at_once,
    "20 uploads of unclear encodings": uploads_of_unclear_encodings,
    "a request of 300 MB that is none": large_invalid_requests,
    "1,000 texts of 64 KiB": large_requests,
    "8 sends of 14 MiB to lease queues": large_sends,
    "12 pages of wide rejects": pages_of_wide_rows,
    "80 answers that nobody takes": answers_that_nobody_takes,
    "32 wide uploads": wide_uploads,
    "4 uploads of tiny rows": files_of_tiny_rows,
    "3 forged messages of 13 MiB": forged_messages,
}


async def until_settled(target: Target, database: asyncpg.Connection) -> None:
    """All uploads are finished, and what they made of the dead letters is thrown away."""
    unfinished = "SELECT count(*) FROM uploads WHERE finished_at IS NULL AND id <> $1"

    async def finished() -> bool:
        return bool(await database.fetchval(unfinished, target.wide_rejects) == 0)

    await eventually(finished, seconds=240)
    await eventually(lambda: target.broker.has_ready(REQUESTS_QUEUE, 0), seconds=60)
    await target.broker.purge(DEAD_LETTERS_QUEUE)


async def all_attacks(target: Target) -> None:
    await asyncio.gather(*(attack(target) for attack in ATTACKS.values()))


async def normal_upload(target: Target, number: int) -> None:
    """A small file on its way through the attacked system: sent again when it is told to, and in at the end."""
    content = HEADER + b"".join(
        b"Asha Rao,Initech,+91 98765 43210,beside%d-%d@example.com\n" % (number, row) for row in range(10)
    )
    async with httpx2.AsyncClient(base_url=target.services.api.url, timeout=ANSWER_SECONDS) as client:
        answers: list[httpx2.Response] = []

        async def taken() -> bool:
            answers.extend(await _sent(client, content))
            return bool(answers)

        await eventually(taken, seconds=ANSWER_SECONDS)
        assert answers[0].status_code == 202, answers[0].text
        path = f"/v1/uploads/{answers[0].json()['id']}"

        async def finished() -> bool:
            try:
                shown = await client.get(path)
            except httpx2.TransportError:
                return False
            return shown.status_code == 200 and shown.json()["status"] == "succeeded"

        await eventually(finished, seconds=ANSWER_SECONDS)


async def _sent(client: httpx2.AsyncClient, content: bytes) -> list[httpx2.Response]:
    """The answer; none if it is to be sent again."""
    try:
        answer = await send(client, content)
    except httpx2.TransportError:
        return []
    return [] if answer.status_code == 503 else [answer]


async def under_attack(target: Target, attack: Attack) -> int:
    """Normal uploads one after the other, for as long as the attack goes on; how many there were, all of them in."""
    attacking = asyncio.ensure_future(attack(target))
    number = 0
    while not attacking.done():
        number += 1
        await normal_upload(target, number + 1000 * id(attack))
    await attacking
    return number
