"""Messages at the SQS endpoint, as a program with boto3 sends, receives and deletes them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid

import asyncpg
import httpx2

from tests.support.queues import counts, payloads, receive, send
from tests.support.sqs import Json, Sqs
from tests.support.waiting import eventually

ATTRIBUTES = {
    "colour": {"DataType": "String", "StringValue": "grün"},
    "weight": {"DataType": "Number.kg", "StringValue": "-1.5e3"},
    "picture": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
}


async def test_a_message_is_sent_received_and_deleted(sqs: Sqs, database: asyncpg.Connection) -> None:
    url = await sqs.queue("orders")
    body = 'A text, "no" JSON: \t\n <é🙂>'
    sent = await sqs("send_message", QueueUrl=url, MessageBody=body)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    assert str(uuid.UUID(sent["MessageId"])) == sent["MessageId"]
    (message,) = await sqs.receive(url)
    assert message.pop("ReceiptHandle")
    assert message == {"MessageId": sent["MessageId"], "Body": body, "MD5OfBody": sent["MD5OfMessageBody"]}
    assert await sqs.receive(url) == []
    await sqs("delete_message", QueueUrl=url, ReceiptHandle=await _receipt(database))
    assert await database.fetchval("SELECT count(*) FROM queue_messages") == 0


async def test_attributes_come_back_as_they_were_sent_and_as_they_are_asked_for(sqs: Sqs) -> None:
    url = await sqs.queue("q", VisibilityTimeout="0")
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = await sqs(
        "send_message", QueueUrl=url, MessageBody="b", MessageAttributes=ATTRIBUTES, MessageSystemAttributes=trace
    )
    assert set(sent) == {
        "MessageId",
        "MD5OfMessageBody",
        "MD5OfMessageAttributes",
        "MD5OfMessageSystemAttributes",
    }
    (message,) = await sqs.receive(url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])
    assert message["MessageAttributes"] == ATTRIBUTES
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    system = message["Attributes"]
    assert system["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    assert (system["SenderId"], system["ApproximateReceiveCount"]) == ("000000000000", "1")
    assert int(system["SentTimestamp"]) <= int(system["ApproximateFirstReceiveTimestamp"])
    (again,) = await sqs.receive(url, AttributeNames=["ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp"])
    assert again["Attributes"] == {
        "ApproximateReceiveCount": "2",
        "ApproximateFirstReceiveTimestamp": system["ApproximateFirstReceiveTimestamp"],
    }
    assert "MessageAttributes" not in again
    for wanted, found in ((["w.*"], ["weight"]), (["weight"], ["weight"]), ([".*"], [*ATTRIBUTES]), (["none"], [])):
        (some,) = await sqs.receive(url, MessageAttributeNames=wanted)
        assert sorted(some.get("MessageAttributes", ())) == sorted(found)
    assert await sqs.refused("receive_message", QueueUrl=url, AttributeNames=["Sender"]) == "InvalidAttributeName"


NO_ATTRIBUTES: list[tuple[str, Json]] = [
    ("", {"DataType": "String", "StringValue": "x"}),
    ("a b", {"DataType": "String", "StringValue": "x"}),
    (".a", {"DataType": "String", "StringValue": "x"}),
    ("a..b", {"DataType": "String", "StringValue": "x"}),
    ("n" * 257, {"DataType": "String", "StringValue": "x"}),
    ("AWS.x", {"DataType": "String", "StringValue": "x"}),
    ("a", {"DataType": "", "StringValue": "x"}),
    ("a", {"DataType": "Text", "StringValue": "x"}),
    ("a", {"DataType": "String", "StringValue": ""}),
    ("a", {"DataType": "String", "BinaryValue": b"x"}),
    ("a", {"DataType": "Binary", "BinaryValue": b""}),
    ("a", {"DataType": "Number", "StringValue": "one"}),
]


async def test_attributes_that_are_none_are_refused(sqs: Sqs) -> None:
    url = await sqs.queue("q")
    for name, value in NO_ATTRIBUTES:
        refusal = await sqs.refused("send_message", QueueUrl=url, MessageBody="b", MessageAttributes={name: value})
        assert refusal == "InvalidParameterValue", (name, value)
    eleven = {str(number): {"DataType": "String", "StringValue": "x"} for number in range(11)}
    refusal = await sqs.refused("send_message", QueueUrl=url, MessageBody="b", MessageAttributes=eleven)
    assert refusal == "InvalidParameterValue"


async def test_bodies_are_bounded_and_of_characters_that_sqs_takes(sqs: Sqs) -> None:
    url = await sqs.queue("q")
    most = "x" * (1024 * 1024)
    await sqs("send_message", QueueUrl=url, MessageBody=most)
    assert await sqs.bodies(url) == [most]
    for body, code in (
        (most + "x", "InvalidParameterValue"),
        ("", "MissingParameter"),
        ("a\x00", "InvalidMessageContents"),
        ("\x1b", "InvalidMessageContents"),
        ("\uffff", "InvalidMessageContents"),
    ):
        assert await sqs.refused("send_message", QueueUrl=url, MessageBody=body) == code
    attribute = {"a": {"DataType": "String", "StringValue": "\x01"}}
    refusal = await sqs.refused("send_message", QueueUrl=url, MessageBody="b", MessageAttributes=attribute)
    assert refusal == "InvalidMessageContents"
    small = await sqs.queue("small", MaximumMessageSize="1024")
    size = {"QueueUrl": small, "MessageBody": "x" * 1000, "MessageAttributes": {"a": ATTRIBUTES["picture"]}}
    assert await sqs.refused("send_message", **size) == "InvalidParameterValue"


async def test_a_batch_has_an_outcome_for_each_entry(sqs: Sqs) -> None:
    url = await sqs.queue("q")
    entries = [
        {"Id": "good", "MessageBody": "1"},
        {"Id": "late", "MessageBody": "2", "DelaySeconds": 901},
        {"Id": "bad", "MessageBody": "\x00"},
        {"Id": "also-good", "MessageBody": "3", "MessageAttributes": ATTRIBUTES},
    ]
    answer = await sqs("send_message_batch", QueueUrl=url, Entries=entries)
    assert [each["Id"] for each in answer["Successful"]] == ["good", "also-good"]
    assert [(each["Id"], each["Code"], each["SenderFault"]) for each in answer["Failed"]] == [
        ("late", "InvalidParameterValue", True),
        ("bad", "InvalidMessageContents", True),
    ]
    received = await sqs.receive(url)
    assert [message["Body"] for message in received] == ["1", "3"]
    receipts = [message["ReceiptHandle"] for message in received]
    changes = [
        {"Id": "a", "ReceiptHandle": receipts[0], "VisibilityTimeout": 100},
        {"Id": "b", "ReceiptHandle": "nonsense", "VisibilityTimeout": 100},
        {"Id": "c", "ReceiptHandle": receipts[1], "VisibilityTimeout": 43_201},
    ]
    changed = await sqs("change_message_visibility_batch", QueueUrl=url, Entries=changes)
    assert [each["Id"] for each in changed["Successful"]] == ["a"]
    assert [each["Code"] for each in changed["Failed"]] == ["ReceiptHandleIsInvalid", "InvalidParameterValue"]
    deletions = [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate([*receipts, receipts[0], "x\n"])]
    deleted = await sqs("delete_message_batch", QueueUrl=url, Entries=deletions)
    assert [each["Id"] for each in deleted["Successful"]] == ["0", "1", "2"]
    assert [(each["Id"], each["Code"]) for each in deleted["Failed"]] == [("3", "ReceiptHandleIsInvalid")]


async def test_batches_that_are_none_are_refused_whole(sqs: Sqs, api: httpx2.AsyncClient) -> None:
    url = await sqs.queue("q")
    for ids, code in (
        ([], "AWS.SimpleQueueService.EmptyBatchRequest"),
        (["a", "a"], "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
        (["a b"], "AWS.SimpleQueueService.InvalidBatchEntryId"),
        ([str(n) for n in range(11)], "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
    ):
        entries = [{"Id": each, "MessageBody": "b"} for each in ids]
        assert await sqs.refused("send_message_batch", QueueUrl=url, Entries=entries) == code
    halves = [{"Id": each, "MessageBody": "x" * 600_000} for each in "ab"]
    refusal = await sqs.refused("send_message_batch", QueueUrl=url, Entries=halves)
    assert refusal == "AWS.SimpleQueueService.BatchRequestTooLong"
    assert await counts(api, "q") == {}


async def test_a_message_is_hidden_for_as_long_as_its_receiver_says(sqs: Sqs) -> None:
    url = await sqs.queue("q")
    await sqs("send_message", QueueUrl=url, MessageBody="b")
    (first,) = await sqs.receive(url, VisibilityTimeout=0)
    (second,) = await sqs.receive(url)
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    assert await sqs.receive(url) == []
    change = {"QueueUrl": url, "ReceiptHandle": second["ReceiptHandle"]}
    await sqs("change_message_visibility", **change, VisibilityTimeout=0)
    refusal = await sqs.refused("change_message_visibility", **change, VisibilityTimeout=10)
    assert refusal == "AWS.SimpleQueueService.MessageNotInflight"
    (third,) = await sqs.receive(url)
    old = {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"]}
    assert await sqs.refused("change_message_visibility", **old, VisibilityTimeout=1) == "InvalidParameterValue"
    # As AWS says of standard queues: it succeeds, and the message that another has by now stays.
    await sqs("delete_message", **old)
    current = {"QueueUrl": url, "ReceiptHandle": third["ReceiptHandle"]}
    await sqs("change_message_visibility", **current, VisibilityTimeout=0)
    await sqs("delete_message", **current)
    assert await sqs.receive(url) == []


async def test_delays_are_the_messages_or_the_queues(sqs: Sqs, api: httpx2.AsyncClient) -> None:
    url = await sqs.queue("q", DelaySeconds="900")
    await sqs("send_message", QueueUrl=url, MessageBody="later")
    await sqs("send_message", QueueUrl=url, MessageBody="now", DelaySeconds=0)
    assert await sqs.bodies(url) == ["now"]
    assert await counts(api, "q") == {"delayed": 1, "inFlight": 1}


async def test_a_receiver_waits_for_the_first_message(sqs: Sqs, api: httpx2.AsyncClient) -> None:
    url = await sqs.queue("q", ReceiveMessageWaitTimeSeconds="20")
    waiting = asyncio.create_task(sqs.bodies(url))
    await eventually(lambda: _waits(api))
    await sqs("send_message", QueueUrl=url, MessageBody="b")
    assert await waiting == ["b"]
    assert await sqs.bodies(url, WaitTimeSeconds=0) == []


async def test_both_doors_show_the_same_messages(sqs: Sqs, api: httpx2.AsyncClient) -> None:
    url = await sqs.queue("q", VisibilityTimeout="0")
    await sqs("send_message", QueueUrl=url, MessageBody='{"a": 1}', MessageAttributes=ATTRIBUTES)
    (message,) = await receive(api, "q")
    assert message["payload"] == '{"a": 1}'
    assert message["headers"]["colour"] == "grün"
    assert message["headers"]["AWS.DataType.weight"] == "Number.kg"
    await send(api, "other", {"to": "x"}, "text", 5)
    other = str((await sqs("get_queue_url", QueueName="other"))["QueueUrl"])
    received = await sqs.bodies(other)
    assert [json.loads(received[0]), *received[1:]] == [{"to": "x"}, "text", "5"]
    headers = {"payload": 1, "headers": {"plain": "text", "empty": ""}}
    assert (await api.post("/v1/queues/with-headers/messages", json=headers)).status_code == 201
    url = str((await sqs("get_queue_url", QueueName="with-headers"))["QueueUrl"])
    (message,) = await sqs.receive(url, MessageAttributeNames=["All"])
    assert message["MessageAttributes"] == {"plain": {"DataType": "String", "StringValue": "text"}}
    assert payloads(await receive(api, "other")) == []


async def _receipt(database: asyncpg.Connection) -> str:
    row = await database.fetchrow("SELECT id, receipt FROM queue_messages")
    assert row is not None
    return f"{row['id']}-{row['receipt'].hex}"


async def _waits(api: httpx2.AsyncClient) -> bool:
    return "rollcall_api_queue_receivers_waiting 1.0" in (await api.get("/metrics")).text
