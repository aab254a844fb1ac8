"""The older Query form, spoken by botocore itself: its model of SQS, turned back to what it was before 2023."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.session
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ATTRIBUTES = {
    "colour": {"DataType": "String", "StringValue": "<grün> & \r\n"},
    "picture": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
}
# The names of a list's items, where a list was flattened, as the model had them then.
ITEMS = {
    "AWSAccountIdList": "AWSAccountId",
    "ActionNameList": "ActionName",
    "AttributeNameList": "AttributeName",
    "BatchResultErrorEntryList": "BatchResultErrorEntry",
    "ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
    "ChangeMessageVisibilityBatchResultEntryList": "ChangeMessageVisibilityBatchResultEntry",
    "DeleteMessageBatchRequestEntryList": "DeleteMessageBatchRequestEntry",
    "DeleteMessageBatchResultEntryList": "DeleteMessageBatchResultEntry",
    "MessageAttributeNameList": "MessageAttributeName",
    "MessageList": "Message",
    "MessageSystemAttributeList": "MessageSystemAttributeName",
    "QueueUrlList": "QueueUrl",
    "SendMessageBatchRequestEntryList": "SendMessageBatchRequestEntry",
    "SendMessageBatchResultEntryList": "SendMessageBatchResultEntry",
    "TagKeyList": "TagKey",
}
MAPS = {
    "MessageBodyAttributeMap": ("MessageAttribute", "Name"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name"),
    "MessageSystemAttributeMap": ("Attribute", "Name"),
    "QueueAttributeMap": ("Attribute", "Name"),
    "TagMap": ("Tag", "Key"),
}


def older_model() -> dict[str, Any]:
    model: dict[str, Any] = botocore.loaders.Loader().load_service_model("sqs", "service-2")
    metadata = model["metadata"]
    metadata.update(protocol="query", protocols=["query"], xmlNamespace="http://queue.amazonaws.com/doc/2012-11-05/")
    del metadata["awsQueryCompatible"]
    for operation in model["operations"].values():
        if "output" in operation:
            operation["output"]["resultWrapper"] = operation["output"]["shape"]
    for name, item in ITEMS.items():
        model["shapes"][name]["member"]["locationName"] = item
    for shape in model["shapes"].values():
        for member in shape.get("members", {}).values():
            if member["shape"] in MAPS:
                element, key = MAPS[member["shape"]]
                member["locationName"] = element
                model["shapes"][member["shape"]]["key"]["locationName"] = key
                model["shapes"][member["shape"]]["value"]["locationName"] = "Value"
    return model


@pytest.fixture
def older_client(api: httpx2.AsyncClient, tmp_path: Path) -> Any:
    folder = tmp_path / "sqs" / "2012-11-05"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(older_model()))
    session = botocore.session.get_session()
    session.set_config_variable("data_path", str(tmp_path))
    return session.create_client(
        "sqs",
        endpoint_url=str(api.base_url),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


async def test_an_older_sdk_goes_through_the_life_of_messages(older_client: Any, api: httpx2.AsyncClient) -> None:
    await asyncio.to_thread(_live, older_client)


def _live(client: Any) -> None:
    created = client.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "60"}, tags={"team": "a"})
    assert created["ResponseMetadata"]["RequestId"]
    url = created["QueueUrl"]
    assert client.list_queues()["QueueUrls"] == [url]
    assert client.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "a"}
    described = client.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "DelaySeconds"])
    assert described["Attributes"] == {"VisibilityTimeout": "60", "DelaySeconds": "0"}
    body = 'a & b <c>\r\n\t"é🙂"'
    sent = client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=ATTRIBUTES, DelaySeconds=0)
    entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(10)]
    entries[4]["MessageBody"] = "\x01"
    batch = client.send_message_batch(QueueUrl=url, Entries=entries)
    assert [each["Id"] for each in batch["Successful"]] == [str(number) for number in range(10) if number != 4]
    assert [(each["Id"], each["SenderFault"]) for each in batch["Failed"]] == [("4", True)]
    wanted = {"MessageAttributeNames": ["All"], "AttributeNames": ["All"], "MaxNumberOfMessages": 10}
    messages = client.receive_message(QueueUrl=url, **wanted)["Messages"]
    assert (messages[0]["Body"], messages[0]["MessageId"]) == (body, sent["MessageId"])
    assert messages[0]["MessageAttributes"] == ATTRIBUTES
    assert messages[0]["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert messages[0]["Attributes"]["ApproximateReceiveCount"] == "1"
    receipts = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
    changed = client.change_message_visibility_batch(QueueUrl=url, Entries=[{**receipts[0], "VisibilityTimeout": 0}])
    assert changed["Successful"] == [{"Id": "0"}]
    assert len(client.delete_message_batch(QueueUrl=url, Entries=receipts)["Successful"]) == 10
    assert "Messages" not in client.receive_message(QueueUrl=url)
    with pytest.raises(ClientError) as caught:
        client.get_queue_url(QueueName="none")
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert caught.value.response["Error"]["Message"] == "The specified queue does not exist."
    client.delete_queue(QueueUrl=url)


async def test_forms_that_are_none_are_answered_as_errors_of_sqs(api: httpx2.AsyncClient) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for content, code in (
        (b"", "UnknownOperationException"),
        (b"Action=Nothing", "UnknownOperationException"),
        (b"Action=SendMessage&QueueUrl=q", "MissingParameter"),
        (b"Action=CreateQueue&QueueName=%ff", "MalformedQueryString"),
        (b"Action=CreateQueue&QueueName=q&Attribute.x.Name=y", "MalformedQueryString"),
        (b"Action=CreateQueue&QueueName=q&Attribute=y", "MalformedQueryString"),
        (b"Action=CreateQueue&QueueName=q&Attribute.1=y", "MalformedQueryString"),
        (b"Action=CreateQueue&QueueName=q&QueueName.1=y", "MalformedQueryString"),
        (b"Action=CreateQueue&QueueName.1=q", "SerializationException"),
        (b"Action=ReceiveMessage&QueueUrl=q&MaxNumberOfMessages=x", "SerializationException"),
        (b"Action=DeleteMessage&QueueUrl=q&ReceiptHandle=%01", "AWS.SimpleQueueService.NonExistentQueue"),
        (b"a=&" * 3000, "MalformedQueryString"),
    ):
        answer = await api.post("/", headers=form, content=content)
        assert answer.status_code == 400, (content, answer.text)
        assert f"<Code>{code}</Code>" in answer.text, (content, answer.text)
    made = await api.post("/", headers=form, content=b"Action=CreateQueue&QueueName=q")
    assert "/000000000000/q</QueueUrl>" in made.text
    # Of clients that say in the address alone which queue they mean.
    sent = await api.post("/000000000000/q", headers=form, content=b"Action=SendMessage&MessageBody=b")
    assert "<MessageId>" in sent.text, sent.text


async def test_a_page_of_another_site_cannot_post_a_form_here(api: httpx2.AsyncClient) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for foreign in ({"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = await api.post("/", headers=form | foreign, content=b"Action=CreateQueue&QueueName=q")
        assert answer.status_code == 403
    assert (await api.get("/v1/queues/q")).status_code == 404
