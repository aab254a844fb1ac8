"""Queues at the SQS endpoint, as a program with boto3 makes, finds, changes and deletes them."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from api_service.lease_queues.sqs.operations import OPERATIONS
from tests.support.queues import counts, send
from tests.support.sqs import Sqs, sqs_client

GONE = "AWS.SimpleQueueService.NonExistentQueue"


async def test_a_queue_is_made_found_and_deleted(sqs: Sqs, api: httpx2.AsyncClient) -> None:
    url = await sqs.queue("orders", VisibilityTimeout="5")
    assert url == f"{str(api.base_url).rstrip('/')}/000000000000/orders"
    assert await sqs.queue("orders", VisibilityTimeout="5") == url
    assert await sqs.queue("orders") == url
    assert await sqs.refused("create_queue", QueueName="orders", Attributes={"VisibilityTimeout": "6"}) == (
        "QueueAlreadyExists"
    )
    assert (await sqs("get_queue_url", QueueName="orders"))["QueueUrl"] == url
    # A program that comes from AWS may bring the address that its queue had there.
    await sqs("send_message", QueueUrl="https://sqs.eu-central-1.amazonaws.com/123456789012/orders", MessageBody="b")
    assert await sqs.bodies(url) == ["b"]
    await sqs("delete_queue", QueueUrl=url)
    for operation, parameters in (
        ("get_queue_url", {"QueueName": "orders"}),
        ("send_message", {"QueueUrl": url, "MessageBody": "b"}),
        ("receive_message", {"QueueUrl": url}),
        ("delete_queue", {"QueueUrl": url}),
        ("purge_queue", {"QueueUrl": url}),
        ("get_queue_attributes", {"QueueUrl": url, "AttributeNames": ["All"]}),
        ("set_queue_attributes", {"QueueUrl": url, "Attributes": {"DelaySeconds": "1"}}),
        ("tag_queue", {"QueueUrl": url, "Tags": {"a": "b"}}),
        ("delete_message", {"QueueUrl": "http://x/1/\0", "ReceiptHandle": "1-" + "0" * 32}),
    ):
        assert await sqs.refused(operation, **parameters) == GONE, operation


async def test_names_that_are_none_are_refused(sqs: Sqs) -> None:
    for name in ("", "a b", "a.b", "x" * 81, "é", "a\n", ".fifo", "x" * 76 + ".fifo"):
        assert await sqs.refused("create_queue", QueueName=name) == "InvalidParameterValue", name


async def test_attributes_are_kept_changed_and_counted(sqs: Sqs, api: httpx2.AsyncClient) -> None:
    url = await sqs.queue("q")
    everything = (await sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["All"]))["Attributes"]
    assert everything.pop("CreatedTimestamp")
    assert everything.pop("LastModifiedTimestamp")
    assert everything == {
        "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "false",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    wanted = {"VisibilityTimeout": "0", "MessageRetentionPeriod": "60", "DelaySeconds": "1", "Policy": policy}
    await sqs("set_queue_attributes", QueueUrl=url, Attributes=wanted)
    asked = await sqs("get_queue_attributes", QueueUrl=url, AttributeNames=[*wanted, "KmsMasterKeyId"])
    assert asked["Attributes"] == wanted
    await sqs("set_queue_attributes", QueueUrl=url, Attributes={"Policy": ""})
    assert await sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["Policy"]) == {}
    assert await sqs("get_queue_attributes", QueueUrl=url) == {}
    shown = (await api.get("/v1/queues/q")).json()
    assert (shown["visibilityTimeoutSeconds"], shown["retentionSeconds"]) == (0, 60)
    await send(api, "q", 1, 2)
    await send(api, "q", 3, delay_seconds=600)
    await sqs("receive_message", QueueUrl=url, VisibilityTimeout=60)
    counted = await sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "All"])
    assert {name: value for name, value in counted["Attributes"].items() if "NumberOf" in name} == {
        "ApproximateNumberOfMessages": "1",
        "ApproximateNumberOfMessagesNotVisible": "1",
        "ApproximateNumberOfMessagesDelayed": "1",
    }
    await sqs("purge_queue", QueueUrl=url)
    assert await counts(api, "q") == {}


NO_ATTRIBUTES = [
    ("VisibilityTimeout", "43201", "InvalidAttributeValue"),
    ("VisibilityTimeout", "-1", "InvalidAttributeValue"),
    ("VisibilityTimeout", "", "InvalidAttributeValue"),
    ("VisibilityTimeout", "٣", "InvalidAttributeValue"),
    ("DelaySeconds", "901", "InvalidAttributeValue"),
    ("MessageRetentionPeriod", "59", "InvalidAttributeValue"),
    ("MaximumMessageSize", "1023", "InvalidAttributeValue"),
    ("MaximumMessageSize", "1048577", "InvalidAttributeValue"),
    ("ReceiveMessageWaitTimeSeconds", "21", "InvalidAttributeValue"),
    ("Policy", "[" * 100_000, "InvalidAttributeValue"),
    ("RedriveAllowPolicy", '{"redrivePermission": []}', "InvalidAttributeValue"),
    ("KmsMasterKeyId", "a\0", "InvalidAttributeValue"),
    ("RedrivePolicy", '{"maxReceiveCount": 1}', "InvalidParameterValue"),
    ("RedrivePolicy", '{"deadLetterTargetArn": "arn:aws:sqs:a:1:gone", "maxReceiveCount": 1}', "InvalidParameterValue"),
    ("RedrivePolicy", '{"deadLetterTargetArn": "arn:aws:sqs:a:1:q", "maxReceiveCount": 0}', "InvalidParameterValue"),
    ("QueueArn", "x", "InvalidAttributeName"),
    ("ContentBasedDeduplication", "true", "InvalidAttributeName"),
    ("FifoQueue", "true", "InvalidAttributeName"),
    ("Colour", "red", "InvalidAttributeName"),
]


async def test_attributes_that_are_none_are_refused(sqs: Sqs) -> None:
    url = await sqs.queue("q")
    for name, value, code in NO_ATTRIBUTES:
        attributes = {name: value}
        assert await sqs.refused("set_queue_attributes", QueueUrl=url, Attributes=attributes) == code, attributes
        if name != "FifoQueue":
            assert await sqs.refused("create_queue", QueueName="new", Attributes=attributes) == code, attributes
    assert await sqs.refused("get_queue_url", QueueName="new") == GONE


async def test_queues_are_listed_by_the_beginning_of_their_names_and_in_pages(sqs: Sqs) -> None:
    for name in ("b-1", "B", "b-2", "b-3", "a"):
        await sqs.queue(name)
    assert _names(await sqs("list_queues")) == ["B", "a", "b-1", "b-2", "b-3"]
    assert _names(await sqs("list_queues", QueueNamePrefix="b")) == ["b-1", "b-2", "b-3"]
    assert await sqs("list_queues", QueueNamePrefix="no%") == {}
    first = await sqs("list_queues", QueueNamePrefix="b", MaxResults=2)
    assert _names(first) == ["b-1", "b-2"]
    rest = await sqs("list_queues", QueueNamePrefix="b", MaxResults=2, NextToken=first["NextToken"])
    assert (_names(rest), "NextToken" in rest) == (["b-3"], False)
    assert await sqs.refused("list_queues", NextToken="\0") == "InvalidParameterValue"
    assert await sqs.refused("list_queues", MaxResults=1001) == "InvalidParameterValue"


async def test_tags_and_permissions(sqs: Sqs) -> None:
    url = str((await sqs("create_queue", QueueName="q", tags={"team": "a"}))["QueueUrl"])
    await sqs("tag_queue", QueueUrl=url, Tags={"cost": "", "team": "b"})
    assert (await sqs("list_queue_tags", QueueUrl=url))["Tags"] == {"team": "b", "cost": ""}
    await sqs("untag_queue", QueueUrl=url, TagKeys=["team", "none"])
    assert (await sqs("list_queue_tags", QueueUrl=url))["Tags"] == {"cost": ""}
    many = {str(number): "" for number in range(50)}
    assert await sqs.refused("tag_queue", QueueUrl=url, Tags=many) == "InvalidParameterValue"
    await sqs("add_permission", QueueUrl=url, Label="l", AWSAccountIds=["123456789012"], Actions=["SendMessage"])
    await sqs("remove_permission", QueueUrl=url, Label="l")


async def test_requests_that_are_none_are_answered_as_errors_of_sqs(api: httpx2.AsyncClient) -> None:
    target = {"X-Amz-Target": "AmazonSQS.SendMessage"}
    for headers, content, code in (
        ({"X-Amz-Target": "AmazonSQS.Nothing"}, b"{}", "UnknownOperationException"),
        ({"X-Amz-Target": "SendMessage"}, b"{}", "UnknownOperationException"),
        (target, b"{", "SerializationException"),
        (target, b"[]", "SerializationException"),
        (target, b'{"QueueUrl": 1}', "SerializationException"),
        (target, b'{"QueueUrl": "\xff"}', "SerializationException"),
        (target, b"", "MissingParameter"),
        (target, b'{"QueueUrl": "q", "MessageBody": "b", "New": 1}', "QueueDoesNotExist"),
    ):
        answer = await api.post("/", headers=headers, content=content)
        assert answer.status_code == 400
        assert answer.json()["__type"] == f"com.amazonaws.sqs#{code}", answer.text
        assert "employee" not in answer.text
    plain = await api.post("/", json={})
    assert (plain.status_code, plain.headers["Content-Type"]) == (422, "application/problem+json")
    assert (await api.get("/")).status_code == 200


async def test_some_sdks_send_to_the_queue_itself(api: httpx2.AsyncClient, sqs: Sqs) -> None:
    url = await sqs.queue("q")
    body = {"QueueUrl": url, "MessageBody": "b"}
    answer = await api.post(url, headers={"X-Amz-Target": "AmazonSQS.SendMessage"}, json=body)
    assert answer.status_code == 200, answer.text
    assert await sqs.bodies(url) == ["b"]


def test_every_operation_of_the_model_is_offered() -> None:
    model = sqs_client("http://127.0.0.1:1").meta.service_model
    assert set(OPERATIONS) == set(model.operation_names)


def _names(answer: dict[str, list[str]]) -> list[str]:
    return [url.rpartition("/")[2] for url in answer["QueueUrls"]]


async def test_what_is_received_too_often_moves_to_the_queue_that_the_policy_names(sqs: Sqs) -> None:
    dead = await sqs.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": "2"})
    url = await sqs.queue("q", RedrivePolicy=policy, VisibilityTimeout="0")
    described = await sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["RedrivePolicy"])
    assert described["Attributes"] == {"RedrivePolicy": policy}
    sources = await sqs("list_dead_letter_source_queues", QueueUrl=dead)
    assert sources == {"queueUrls": [url]}
    attributes = {"colour": {"DataType": "String", "StringValue": "red"}}
    sent = await sqs("send_message", QueueUrl=url, MessageBody="b", MessageAttributes=attributes)
    assert [await sqs.bodies(url) for _ in range(3)] == [["b"], ["b"], []]
    wanted: dict[str, Any] = {"AttributeNames": ["DeadLetterQueueSourceArn"], "MessageAttributeNames": ["All"]}
    (message,) = await sqs.receive(dead, WaitTimeSeconds=20, **wanted)
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "b")
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"] == {"DeadLetterQueueSourceArn": "arn:aws:sqs:us-east-1:000000000000:q"}
    await sqs("set_queue_attributes", QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert await sqs("list_dead_letter_source_queues", QueueUrl=dead) == {"queueUrls": []}
    await sqs("send_message", QueueUrl=url, MessageBody="for ever")
    assert [await sqs.bodies(url) for _ in range(4)] == [["for ever"]] * 4


async def test_a_dead_letter_queue_is_of_the_same_kind(sqs: Sqs) -> None:
    await sqs.queue("dead.fifo", FifoQueue="true")
    policy = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead.fifo", "maxReceiveCount": 1})
    refusal = await sqs.refused("create_queue", QueueName="q", Attributes={"RedrivePolicy": policy})
    assert refusal == "InvalidParameterValue"
