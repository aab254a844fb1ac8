"""Handles messages one at a time, until none has come for a while: python worker.py rows.jsonl"""

import json
import os
import sys

import boto3

QUEUE = os.environ.get("QUEUE_NAME", "employees")
WAIT_SECONDS = int(os.environ.get("WAIT_SECONDS", "20"))


def handle(row, output):
    """What cannot be handled raises: the message stays, is tried again, and ends in the dead-letter queue."""
    if "@" not in (row.get("email") or ""):
        raise ValueError("no email")
    output.write(json.dumps(row) + "\n")
    output.flush()


def main(path):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    with open(path, "a", encoding="utf-8") as output:
        while messages := sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=WAIT_SECONDS,
            AttributeNames=["ApproximateReceiveCount"],
        ).get("Messages"):
            for message in messages:
                receipt = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
                try:
                    handle(json.loads(message["Body"]), output)
                except ValueError as error:
                    tries = message["Attributes"]["ApproximateReceiveCount"]
                    print(f"message {message['MessageId']} failed at try {tries}: {error}")
                    # At once, instead of when its time is over.
                    sqs.change_message_visibility(**receipt, VisibilityTimeout=0)
                else:
                    sqs.delete_message(**receipt)


if __name__ == "__main__":
    main(sys.argv[1])
