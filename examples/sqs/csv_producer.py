"""Sends each row of a CSV as a message: python csv_producer.py employees.csv"""

import csv
import itertools
import json
import os
import sys

import boto3

QUEUE = os.environ.get("QUEUE_NAME", "employees")
BATCH = 10  # the most that SQS takes


def create_queues(sqs):
    """The queue, and another for what a worker has failed at three times."""
    dead = sqs.create_queue(QueueName=f"{QUEUE}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    return sqs.create_queue(QueueName=QUEUE, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "30"})[
        "QueueUrl"
    ]


def send(sqs, url, rows):
    """A batch can fail in part: what failed is sent again, and what is wrong with itself is the sender's to mend."""
    entries = [{"Id": str(number), "MessageBody": json.dumps(row)} for number, row in enumerate(rows)]
    while entries:
        failed = sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed", [])
        for failure in failed:
            if failure["SenderFault"]:
                sys.exit(f"row {failure['Id']} of a batch was refused: {failure['Message']}")
        again = {failure["Id"] for failure in failed}
        entries = [entry for entry in entries if entry["Id"] in again]


def main(path):
    sqs = boto3.client("sqs")
    url = create_queues(sqs)
    sent = 0
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        while batch := list(itertools.islice(rows, BATCH)):
            send(sqs, url, batch)
            sent += len(batch)
    print(f"{sent} rows sent to {url}")


if __name__ == "__main__":
    main(sys.argv[1])
