"""An API process dies between commit and answer, and the client asks another: nothing lost, nothing done twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import httpx2
import pytest
from botocore.exceptions import BotoCoreError

from api_service.settings import ApiSettings
from deploy.program import free_port
from tests.support.api import running_api
from tests.support.api_process import start_api
from tests.support.failpoint_settings import killing_api
from tests.support.patience import patience
from tests.support.queues import counts
from tests.support.sqs import Sqs
from tests.support.waiting import eventually

NO_BROKER = "amqp://nobody:nothing@127.0.0.1:1/none"
ARN = "arn:aws:sqs:us-east-1:000000000000"

Unanswered = Callable[..., Awaitable[None]]


@contextlib.asynccontextmanager
async def doomed_api(settings: ApiSettings, place: str, *, after: int = 0) -> AsyncIterator[Sqs]:
    """A process that kills itself there, which is what it has done when this is over."""
    port = free_port()
    urls = (settings.database_url.get_secret_value(), NO_BROKER, settings.upload_store_url)
    process = await start_api(port, *urls, ROLLCALL_LOG_LEVEL="ERROR", **killing_api(place, after=after))
    try:
        await eventually(lambda: _listens(port), seconds=60)
        yield Sqs(f"http://127.0.0.1:{port}")
        async with asyncio.timeout(60 * patience()):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def unanswered(settings: ApiSettings) -> Unanswered:
    """A call that is done, but whose client is told nothing: the process dies first."""

    async def call(operation: str, **parameters: Any) -> None:
        name = "".join(word.title() for word in operation.split("_"))
        async with doomed_api(settings, f"api.sqs_done_{name}") as doomed:
            with pytest.raises(BotoCoreError):
                await doomed(operation, **parameters)

    return call


async def test_a_send_that_is_made_again_is_there_once_and_in_its_place(
    sqs: Sqs, api: httpx2.AsyncClient, unanswered: Unanswered
) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true")
    first, second, other = (
        {"MessageBody": body, "MessageGroupId": body[0], "MessageDeduplicationId": body} for body in ("a1", "a2", "b1")
    )
    await unanswered("send_message", QueueUrl=url, **first)
    assert await counts(api, "q.fifo") == {"visible": 1}
    sent = await sqs("send_message", QueueUrl=url, **first)
    entries = [{"Id": str(number), **message} for number, message in enumerate((first, second, other))]
    await unanswered("send_message_batch", QueueUrl=url, Entries=entries)
    assert await counts(api, "q.fifo") == {"visible": 2, "blocked": 1}
    batch = (await sqs("send_message_batch", QueueUrl=url, Entries=entries))["Successful"]
    assert await counts(api, "q.fifo") == {"visible": 2, "blocked": 1}
    assert [batch[0][name] for name in ("MessageId", "SequenceNumber")] == [sent["MessageId"], sent["SequenceNumber"]]
    numbers = [each["SequenceNumber"] for each in batch]
    assert numbers == sorted(set(numbers))
    received = []
    while messages := await sqs.receive(url):
        received.append([(message["MessageId"], message["Body"]) for message in messages])
        for message in messages:
            await sqs("delete_message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    ids = [each["MessageId"] for each in batch]
    assert received == [[(ids[0], "a1"), (ids[2], "b1")], [(ids[1], "a2")]]


async def test_a_receive_a_deletion_and_a_return_that_are_made_again(
    sqs: Sqs, database: asyncpg.Connection, unanswered: Unanswered
) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true", ContentBasedDeduplication="true", VisibilityTimeout="600")
    for body in ("a1", "a2", "b1"):
        await sqs("send_message", QueueUrl=url, MessageBody=body, MessageGroupId=body[0])
    attempt = {"MaxNumberOfMessages": 10, "ReceiveRequestAttemptId": "attempt"}
    await unanswered("receive_message", QueueUrl=url, **attempt)
    given = {row["receipt"] for row in await database.fetch("SELECT receipt FROM queue_messages") if row["receipt"]}
    assert await sqs.bodies(url, ReceiveRequestAttemptId="another-attempt") == []
    first, other = await sqs.receive(url, ReceiveRequestAttemptId="attempt", AttributeNames=["All"])
    # What the dead process had given, and by no other receipts.
    assert [first["Body"], other["Body"]] == ["a1", "b1"]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in (first, other)} == {"1"}
    assert given == {row["receipt"] for row in await database.fetch("SELECT receipt FROM queue_messages")} - {None}

    deletion = {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"]}
    await unanswered("delete_message", **deletion)
    await sqs("delete_message", **deletion)
    entries = [{"Id": "again", "ReceiptHandle": first["ReceiptHandle"]}]
    assert (await sqs("delete_message_batch", QueueUrl=url, Entries=entries))["Successful"] == [{"Id": "again"}]
    assert await sqs.bodies(url) == ["a2"]

    back = {"QueueUrl": url, "ReceiptHandle": other["ReceiptHandle"], "VisibilityTimeout": 0}
    await unanswered("change_message_visibility", **back)
    assert (await sqs.refused("change_message_visibility", **back)).endswith("MessageNotInflight")
    (again,) = await sqs.receive(url, AttributeNames=["All"])
    assert (again["Body"], again["Attributes"]["ApproximateReceiveCount"]) == ("b1", "2")
    assert again["ReceiptHandle"] != other["ReceiptHandle"]
    # The message is with somebody: who had it before can neither delete nor keep it.
    assert await sqs.refused("delete_message", QueueUrl=url, ReceiptHandle=other["ReceiptHandle"]) == (
        "InvalidParameterValue"
    )
    assert await sqs.refused("change_message_visibility", **back) == "InvalidParameterValue"
    await sqs("delete_message", QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])


async def test_what_was_received_without_an_answer_comes_again_when_its_time_is_over(
    sqs: Sqs, database: asyncpg.Connection, unanswered: Unanswered
) -> None:
    url = await sqs.queue("q", VisibilityTimeout="600")
    for body in "ab":
        await sqs("send_message", QueueUrl=url, MessageBody=body)
    await unanswered("receive_message", QueueUrl=url, VisibilityTimeout=2, MaxNumberOfMessages=10)
    given = {str(row["receipt"]) for row in await database.fetch("SELECT receipt FROM queue_messages")}
    received = await sqs.receive(url, WaitTimeSeconds=20, AttributeNames=["ApproximateReceiveCount"])
    received += await sqs.receive(url, WaitTimeSeconds=20, AttributeNames=["All"]) if len(received) < 2 else []
    assert [message["Body"] for message in received] == ["a", "b"]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in received} == {"2"}
    assert not any(receipt in message["ReceiptHandle"] for message in received for receipt in given)
    for message in received:
        await sqs("delete_message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert await database.fetchval("SELECT count(*) FROM queue_messages") == 0


async def test_a_move_task_goes_on_wherever_its_process_dies_and_moves_each_message_once(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    start = {"SourceArn": f"{ARN}:dead", "DestinationArn": f"{ARN}:elsewhere", "MaxNumberOfMessagesPerSecond": 2}
    # The task is stored, and nobody is told.
    async with doomed_api(settings, "api.sqs_done_StartMessageMoveTask") as doomed:
        dead = await doomed.queue("dead")
        await doomed.queue("elsewhere")
        for number in range(6):
            await doomed("send_message", QueueUrl=dead, MessageBody=str(number))
        with pytest.raises(BotoCoreError):
            await doomed("start_message_move_task", **start)
    # One step is done, and of the second all but its commit.
    async with doomed_api(settings, "api.sqs_move_step", after=1):
        pass
    left = await database.fetch(
        "SELECT name, count(*) FROM queue_messages JOIN queues ON queues.id = queue_id GROUP BY 1"
    )
    assert {row["name"]: row["count"] for row in left} == {"dead": 4, "elsewhere": 2}
    async with running_api(settings) as api:
        sqs = Sqs(str(api.base_url))
        again = await sqs.refused("start_message_move_task", **start)
        assert again == "AWS.SimpleQueueService.UnsupportedOperation"
        await eventually(lambda: _has_completed(sqs), seconds=30)
        (task,) = (await sqs("list_message_move_tasks", SourceArn=f"{ARN}:dead", MaxResults=10))["Results"]
        assert task["ApproximateNumberOfMessagesMoved"] == 6
        assert await counts(api, "dead") == {}
        assert await sqs.bodies(f"{api.base_url}/000000000000/elsewhere") == list("012345")


async def _has_completed(sqs: Sqs) -> bool:
    (task,) = (await sqs("list_message_move_tasks", SourceArn=f"{ARN}:dead"))["Results"]
    return bool(task["Status"] == "COMPLETED")
