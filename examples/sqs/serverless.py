"""A producer and a consumer as AWS Lambda calls them, and what Lambda does between: a trigger on the queue."""

import os
import uuid

import boto3

QUEUE = os.environ.get("QUEUE_NAME", "numbers")
WAIT_SECONDS = int(os.environ.get("WAIT_SECONDS", "20"))


def producer(event, context):
    """Sends one message; `QUEUE_URL` is the function's configuration."""
    attributes = {"kind": {"DataType": "String", "StringValue": "greeting"}}
    body = event.get("text") or f"hello {uuid.uuid4()}"
    sent = boto3.client("sqs").send_message(
        QueueUrl=os.environ["QUEUE_URL"], MessageBody=body, MessageAttributes=attributes
    )
    return {"statusCode": 200, "messageId": sent["MessageId"]}


def consumer(event, context):
    for record in event["Records"]:
        print(f"{record['messageAttributes']['kind']['stringValue']}: {record['body']}")
    return {"batchItemFailures": []}


def trigger(url, function):
    """Calls the function with what arrives, and deletes what it did not name as failed; ends when nothing comes."""
    sqs = boto3.client("sqs")
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS, MessageAttributeNames=["All"]
    ).get("Messages"):
        failures = function({"Records": [as_record(message) for message in messages]}, None)["batchItemFailures"]
        failed = {failure["itemIdentifier"] for failure in failures}
        done = [message for message in messages if message["MessageId"] not in failed]
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(done)]
        if entries:
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def as_record(message):
    attributes = {
        name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
        for name, value in message.get("MessageAttributes", {}).items()
    }
    return {"messageId": message["MessageId"], "body": message["Body"], "messageAttributes": attributes}


if __name__ == "__main__":
    os.environ["QUEUE_URL"] = boto3.client("sqs").create_queue(QueueName=QUEUE)["QueueUrl"]
    for number in range(3):
        producer({"text": f"number {number}"}, None)
    trigger(os.environ["QUEUE_URL"], consumer)
