"""Move tasks at the SQS endpoint: the dead go back to where they died, or elsewhere, at a rate."""

from __future__ import annotations

import json

import asyncpg
import httpx2

from tests.support.queues import counts
from tests.support.sqs import Sqs
from tests.support.waiting import eventually

ARN = "arn:aws:sqs:us-east-1:000000000000"
GONE = "ResourceNotFoundException"


async def let_die(sqs: Sqs, api: httpx2.AsyncClient, queue: str, *bodies: str) -> None:
    policy = json.dumps({"deadLetterTargetArn": f"{ARN}:dead", "maxReceiveCount": 1})
    url = await sqs.queue(queue, RedrivePolicy=policy, VisibilityTimeout="0")
    before = (await counts(api, "dead")).get("visible", 0)
    for body in bodies:
        await sqs("send_message", QueueUrl=url, MessageBody=body)
    await sqs.bodies(url)
    await eventually(lambda: _has(api, "dead", before + len(bodies)))


async def test_each_message_goes_back_to_where_it_died(sqs: Sqs, api: httpx2.AsyncClient) -> None:
    await sqs.queue("dead")
    await let_die(sqs, api, "a", "a1", "a2")
    await let_die(sqs, api, "b", "b1")
    started = await sqs("start_message_move_task", SourceArn=f"{ARN}:dead")
    await eventually(lambda: _has(api, "dead", 0))
    assert await counts(api, "a") == {"visible": 2}
    assert await counts(api, "b") == {"visible": 1}
    await eventually(lambda: _is(sqs, "COMPLETED"))
    (task,) = (await sqs("list_message_move_tasks", SourceArn=f"{ARN}:dead"))["Results"]
    assert task.pop("StartedTimestamp") > 1_600_000_000_000
    assert task == {
        "Status": "COMPLETED",
        "SourceArn": f"{ARN}:dead",
        "ApproximateNumberOfMessagesMoved": 3,
        "ApproximateNumberOfMessagesToMove": 3,
    }
    assert await sqs.refused("cancel_message_move_task", TaskHandle=started["TaskHandle"]) == GONE


async def test_a_task_at_a_rate_can_be_cancelled_on_its_way(
    sqs: Sqs, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await sqs.queue("elsewhere")
    dead = await sqs.queue("dead")
    for number in range(20):
        await sqs("send_message", QueueUrl=dead, MessageBody=str(number))
    start = {"SourceArn": f"{ARN}:dead", "DestinationArn": f"{ARN}:elsewhere"}
    started = await sqs("start_message_move_task", **start, MaxNumberOfMessagesPerSecond=1)
    again = await sqs.refused("start_message_move_task", **start)
    assert again == "AWS.SimpleQueueService.UnsupportedOperation"
    (task,) = (await sqs("list_message_move_tasks", SourceArn=f"{ARN}:dead", MaxResults=10))["Results"]
    assert (task["Status"], task["TaskHandle"]) == ("RUNNING", started["TaskHandle"])
    assert (task["DestinationArn"], task["MaxNumberOfMessagesPerSecond"]) == (f"{ARN}:elsewhere", 1)
    await eventually(lambda: _has_some(api, "elsewhere"))
    moved = (await sqs("cancel_message_move_task", TaskHandle=started["TaskHandle"]))[
        "ApproximateNumberOfMessagesMoved"
    ]
    assert 1 <= moved < 20
    assert await counts(api, "elsewhere") == {"visible": moved}
    assert await counts(api, "dead") == {"visible": 20 - moved}
    # Nobody's, and what is in flight stays with its receiver.
    (held,) = await sqs.receive(dead, 1, VisibilityTimeout=600)
    await sqs("start_message_move_task", **start)
    await eventually(lambda: _has(api, "elsewhere", 19))
    assert await counts(api, "dead") == {"inFlight": 1}
    await sqs("delete_message", QueueUrl=dead, ReceiptHandle=held["ReceiptHandle"])


async def test_what_cannot_be_moved_says_why(sqs: Sqs, api: httpx2.AsyncClient) -> None:
    url = await sqs.queue("dead")
    await sqs("send_message", QueueUrl=url, MessageBody="of nowhere")
    await sqs("start_message_move_task", SourceArn=f"{ARN}:dead")
    await eventually(lambda: _is(sqs, "FAILED"))
    (task,) = (await sqs("list_message_move_tasks", SourceArn=f"{ARN}:dead"))["Results"]
    assert task["FailureReason"] == "CouldNotDetermineMessageSource"
    assert await sqs.bodies(url) == ["of nowhere"]
    for parameters, code in (
        ({"SourceArn": "dead"}, "InvalidParameterValue"),
        ({"SourceArn": f"{ARN}:none"}, GONE),
        ({"SourceArn": f"{ARN}:dead", "DestinationArn": f"{ARN}:none"}, GONE),
        ({"SourceArn": f"{ARN}:dead", "DestinationArn": f"{ARN}:dead"}, "InvalidParameterValue"),
        ({"SourceArn": f"{ARN}:dead", "MaxNumberOfMessagesPerSecond": 501}, "InvalidParameterValue"),
    ):
        assert await sqs.refused("start_message_move_task", **parameters) == code, parameters
    assert await sqs.refused("cancel_message_move_task", TaskHandle="none") == "InvalidParameterValue"
    assert await sqs.refused("list_message_move_tasks", SourceArn=f"{ARN}:none") == GONE


async def _has(api: httpx2.AsyncClient, queue: str, visible: int) -> bool:
    return (await counts(api, queue)).get("visible", 0) == visible


async def _has_some(api: httpx2.AsyncClient, queue: str) -> bool:
    return (await counts(api, queue)).get("visible", 0) > 0


async def _is(sqs: Sqs, status: str) -> bool:
    tasks = await sqs("list_message_move_tasks", SourceArn=f"{ARN}:dead")
    return bool(tasks["Results"][0]["Status"] == status)
