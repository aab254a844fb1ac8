"""FIFO queues at the SQS endpoint: groups in order, and nothing sent twice."""

from __future__ import annotations

import json

import httpx2

from tests.support.sqs import Sqs


async def test_a_group_is_worked_on_in_order_and_the_others_go_on(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true")
    numbers = []
    for group, body in (("a", "a1"), ("a", "a2"), ("b", "b1")):
        message = {"MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": body}
        numbers.append((await sqs("send_message", QueueUrl=url, **message))["SequenceNumber"])
    assert numbers == sorted(numbers)
    assert {len(number) for number in numbers} == {20}
    first = await sqs.receive(url, MessageSystemAttributeNames=["All"])
    assert [message["Body"] for message in first] == ["a1", "b1"]
    attributes = first[0]["Attributes"]
    assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("a", "a1")
    assert attributes["SequenceNumber"] == numbers[0]
    counted = await sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    assert counted["Attributes"]["ApproximateNumberOfMessages"] == "1"
    assert counted["Attributes"]["FifoQueue"] == "true"
    assert await sqs.bodies(url) == []
    receipt = {"QueueUrl": url, "ReceiptHandle": first[0]["ReceiptHandle"]}
    await sqs("change_message_visibility", **receipt, VisibilityTimeout=0)
    assert await sqs.refused("delete_message", **receipt) == "InvalidParameterValue"
    entries = [{"Id": "gone", "ReceiptHandle": first[0]["ReceiptHandle"]}]
    entries.append({"Id": "held", "ReceiptHandle": first[1]["ReceiptHandle"]})
    deleted = await sqs("delete_message_batch", QueueUrl=url, Entries=entries)
    assert ([each["Id"] for each in deleted["Successful"]], [each["Id"] for each in deleted["Failed"]]) == (
        ["held"],
        ["gone"],
    )
    (again,) = await sqs.receive(url)
    assert again["Body"] == "a1"
    await sqs("delete_message", QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    assert await sqs.bodies(url) == ["a2"]


async def test_what_is_sent_again_is_there_once(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    message = {"QueueUrl": url, "MessageBody": "same", "MessageGroupId": "g"}
    first = await sqs("send_message", **message)
    assert await sqs("send_message", **message) == first
    named = await sqs("send_message", **message, MessageDeduplicationId="other")
    assert named["MessageId"] != first["MessageId"]
    entries = [{"Id": each, "MessageBody": "twice", "MessageGroupId": "h"} for each in "ab"]
    twice = (await sqs("send_message_batch", QueueUrl=url, Entries=entries))["Successful"]
    assert twice[0]["MessageId"] == twice[1]["MessageId"]
    assert sorted(await sqs.bodies(url)) == ["same", "twice"]
    by_group = await sqs.queue(
        "by-group.fifo", FifoQueue="true", ContentBasedDeduplication="true", DeduplicationScope="messageGroup"
    )
    for group in "aab":
        await sqs("send_message", QueueUrl=by_group, MessageBody="same", MessageGroupId=group)
    assert await sqs.bodies(by_group) == ["same", "same"]


async def test_what_only_one_kind_of_queue_takes_is_refused_by_the_other(sqs: Sqs) -> None:
    fifo = await sqs.queue("q.fifo", FifoQueue="true")
    plain = await sqs.queue("q")
    group, key = {"MessageGroupId": "g"}, {"MessageDeduplicationId": "k"}
    for url, more, code in (
        (fifo, {}, "MissingParameter"),
        (fifo, key, "MissingParameter"),
        (fifo, group, "InvalidParameterValue"),
        (fifo, {**group, **key, "DelaySeconds": 1}, "InvalidParameterValue"),
        (fifo, {**group, "MessageDeduplicationId": "a b"}, "InvalidParameterValue"),
        (fifo, {**key, "MessageGroupId": "x" * 129}, "InvalidParameterValue"),
        (plain, key, "InvalidParameterValue"),
    ):
        assert await sqs.refused("send_message", QueueUrl=url, MessageBody="b", **more) == code, more
    await sqs("send_message", QueueUrl=plain, MessageBody="b", **group)
    (message,) = await sqs.receive(plain, AttributeNames=["MessageGroupId"])
    assert message["Attributes"] == group
    assert await sqs.refused("create_queue", QueueName="new.fifo") == "InvalidParameterValue"
    assert await sqs.refused("create_queue", QueueName="new", Attributes={"FifoQueue": "true"}) == (
        "InvalidParameterValue"
    )
    for attributes, code in (
        ({"DelaySeconds": "1"}, "InvalidAttributeValue"),
        ({"FifoQueue": "false"}, "InvalidAttributeName"),
        ({"DeduplicationScope": "none"}, "InvalidAttributeValue"),
    ):
        assert await sqs.refused("set_queue_attributes", QueueUrl=fifo, Attributes=attributes) == code


async def test_a_receive_that_is_made_again_has_the_same_messages(sqs: Sqs) -> None:
    dead = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead.fifo", "maxReceiveCount": 1})
    await sqs.queue("dead.fifo", FifoQueue="true")
    for name, more in (("q.fifo", {}), ("last.fifo", {"RedrivePolicy": dead})):
        url = await sqs.queue(name, FifoQueue="true", ContentBasedDeduplication="true", **more)
        for group in "abc":
            await sqs("send_message", QueueUrl=url, MessageBody=group, MessageGroupId=group)
        first = await sqs.receive(url, 2, ReceiveRequestAttemptId="attempt-1")
        assert [message["Body"] for message in first] == ["a", "b"]
        assert await sqs.receive(url, 2, ReceiveRequestAttemptId="attempt-1") == first
        assert await sqs.bodies(url, 2, ReceiveRequestAttemptId="attempt-2") == ["c"]
        await sqs("delete_message", QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
        assert await sqs.receive(url, 2, ReceiveRequestAttemptId="attempt-1") == first[1:]
    plain = await sqs.queue("plain")
    refusal = await sqs.refused("receive_message", QueueUrl=plain, ReceiveRequestAttemptId="attempt")
    assert refusal == "InvalidParameterValue"


async def test_a_group_at_the_other_door_is_the_same(sqs: Sqs, api: httpx2.AsyncClient) -> None:
    url = await sqs.queue("q.fifo", FifoQueue="true")
    message = {"payload": "b", "groupId": "g", "deduplicationId": "k"}
    assert (await api.post("/v1/queues/q.fifo/messages", json=message)).status_code == 201
    again = {"MessageBody": "b", "MessageGroupId": "g", "MessageDeduplicationId": "k"}
    await sqs("send_message", QueueUrl=url, **again)
    (received,) = await sqs.receive(url, AttributeNames=["MessageGroupId"])
    assert (received["Body"], received["Attributes"]) == ("b", {"MessageGroupId": "g"})
