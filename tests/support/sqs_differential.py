"""The same random calls to two SQS endpoints, and what their answers have in common.

Ids and receipts are each side's own: they are compared by which message they stand for. Where the two differ for a
reason that is known (`EXPLAINED`), the queue is made anew on both sides, so that the next calls find the same again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

Json = dict[str, Any]
Client = Any

QUEUES = ("one", "two", "three.fifo")
ATTRIBUTES: Sequence[Json] = (
    {},
    {"colour": {"DataType": "String", "StringValue": "grün"}},
    {"weight": {"DataType": "Number", "StringValue": "5"}, "raw": {"DataType": "Binary.png", "BinaryValue": b"\0\xff"}},
)
SETTINGS: Sequence[Json] = (
    {"VisibilityTimeout": "0"},
    {"VisibilityTimeout": "600"},
    {"DelaySeconds": "0"},
    {"ReceiveMessageWaitTimeSeconds": "0", "MessageRetentionPeriod": "3600"},
    {"VisibilityTimeout": "43201"},
    {"MaximumMessageSize": "2048"},
)


class Pair(NamedTuple):
    """One thing, as it is called on either side."""

    ours: str
    theirs: str


class Received(NamedTuple):
    receipts: Pair
    message: int
    # Whether another receive, a deletion or a purge came since.
    is_over: bool = False


class Difference(NamedTuple):
    operation: str
    parameters: Json
    ours: Json
    theirs: Json
    receipt_is_over: bool

    @property
    def errors(self) -> tuple[str | None, str | None]:
        return self.ours.get("error"), self.theirs.get("error")


class Explanation(NamedTuple):
    """A row of the table in docs/sqs.md."""

    about: str
    ours: str
    theirs: str
    is_it: Callable[[Difference], bool]


EXPLAINED: Sequence[Explanation] = (
    Explanation(
        "`SqsManagedSseEnabled`",
        "is `false`: nothing is encrypted",
        "is `true`",
        lambda d: d.operation == "get_queue_attributes" and _but(d, "SqsManagedSseEnabled"),
    ),
    Explanation(
        "an attribute with a value that it cannot have",
        "is refused",
        "is set",
        lambda d: d.operation == "set_queue_attributes" and d.errors == ("InvalidAttributeValue", None),
    ),
    Explanation(
        "characters that SQS does not take",
        "are refused",
        "are taken",
        lambda d: "\x01" in _bodies(d.parameters),
    ),
    Explanation(
        "deleting a message",
        "by its last receipt alone",
        "by any receipt that it ever had; by none after a purge",
        lambda d: d.operation.startswith("delete_message") and d.receipt_is_over,
    ),
    Explanation(
        "changing a message's visibility",
        "only in flight, else `MessageNotInflight` or `InvalidParameterValue`",
        "by any receipt that it ever had, hidden or not, else `ReceiptHandleIsInvalid`",
        lambda d: d.operation == "change_message_visibility" and (d.receipt_is_over or d.errors[0] == NOT_IN_FLIGHT),
    ),
    Explanation(
        "one receive on a FIFO queue",
        "hands out one message of a group",
        "may hand out several messages of a group",
        lambda d: d.operation == "receive_message" and _has_a_group_twice(d.theirs),
    ),
    Explanation(
        "a second purge within a minute",
        "empties the queue again",
        "is refused with `PurgeQueueInProgress`",
        lambda d: d.operation == "purge_queue" and d.errors == (None, "PurgeQueueInProgress"),
    ),
)


NOT_IN_FLIGHT = "MessageNotInflight"


class Comparison:
    def __init__(self, ours: Client, theirs: Client, chance: Random) -> None:
        self._ours = ours
        self._theirs = theirs
        self._chance = chance
        self._messages: dict[str, int] = {}
        self._received: dict[str, list[Received]] = {}
        self._sent = 0
        self.explained: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def run(self, calls: int) -> None:
        for queue in QUEUES:
            self._renew(queue)
        for _ in range(calls):
            self._call(self._chance.choice(QUEUES))

    def _call(self, queue: str) -> None:
        step = self._chance.choices(
            (self._send, self._send_batch, self._receive, self._delete, self._change, self._attributes, self._rare),
            (6, 3, 6, 5, 3, 2, 1),
        )[0]
        step(queue)

    def _send(self, queue: str) -> None:
        self._both("send_message", queue, self._message(queue))

    def _send_batch(self, queue: str) -> None:
        count = self._chance.choice((0, 1, 3, 10, 11))
        entries = [{"Id": str(number), **self._message(queue)} for number in range(count)]
        if count == 3 and self._chance.random() < 0.3:
            entries[1]["Id"] = "0"
        self._both("send_message_batch", queue, {"Entries": entries})

    def _message(self, queue: str) -> Json:
        self._sent += 1
        body = self._chance.choice(("text", '{"a": [1, "é🙂"]}', "<b>\r\n", "5", '"')) + str(self._sent)
        message: Json = {"MessageBody": body if self._chance.random() < 0.97 else "\x01"}
        if attributes := self._chance.choice(ATTRIBUTES):
            message["MessageAttributes"] = attributes
        if queue.endswith(".fifo"):
            message |= {"MessageGroupId": self._chance.choice("abc"), "MessageDeduplicationId": str(self._sent)}
        elif self._chance.random() < 0.15:
            message["DelaySeconds"] = self._chance.choice((0, 600, 901))
        return message

    def _receive(self, queue: str) -> None:
        parameters: Json = {"MaxNumberOfMessages": self._chance.choice((1, 2, 10, 10, 11))}
        parameters["AttributeNames"] = ["ApproximateReceiveCount", "MessageGroupId", "MessageDeduplicationId"]
        if self._chance.random() < 0.7:
            parameters["MessageAttributeNames"] = self._chance.choice((["All"], ["w.*"], ["raw", "no"], []))
        if self._chance.random() < 0.7 or queue.endswith(".fifo"):
            parameters["VisibilityTimeout"] = 600 if queue.endswith(".fifo") else self._chance.choice((0, 600, 600))
        self._both("receive_message", queue, parameters)

    def _delete(self, queue: str) -> None:
        self._both_of_receipt("delete_message", queue, {})

    def _change(self, queue: str) -> None:
        seconds = self._chance.choice((0, 600, 43_201))
        self._both_of_receipt("change_message_visibility", queue, {"VisibilityTimeout": seconds})

    def _both_of_receipt(self, operation: str, queue: str, parameters: Json) -> None:
        known = self._received[queue]
        if not known or self._chance.random() < 0.05:
            self._both(operation, queue, {**parameters, "ReceiptHandle": "nonsense"})
            return
        chosen = self._chance.choice(known[-12:])
        self._both(operation, queue, parameters, chosen)

    def _attributes(self, queue: str) -> None:
        if self._chance.random() < 0.5:
            self._both("get_queue_attributes", queue, {"AttributeNames": ["All"]})
        elif not queue.endswith(".fifo"):
            self._both("set_queue_attributes", queue, {"Attributes": self._chance.choice(SETTINGS)})

    def _rare(self, queue: str) -> None:
        operation, parameters = self._chance.choice(
            (
                ("purge_queue", {}),
                ("tag_queue", {"Tags": {"k": self._chance.choice("ab")}}),
                ("untag_queue", {"TagKeys": ["k"]}),
                ("list_queue_tags", {}),
                ("list_dead_letter_source_queues", {}),
                ("delete_queue", {}),
            )
        )
        self._both(operation, queue, parameters)
        if operation == "purge_queue" and self._chance.random() < 0.5:
            self._both(operation, queue, parameters)
        elif operation == "purge_queue":
            self._received[queue] = [each._replace(is_over=True) for each in self._received[queue]]
        if operation == "delete_queue":
            self._both("receive_message", queue, {})
            self._renew(queue)

    def _both(self, operation: str, queue: str, parameters: Json, received: Received | None = None) -> None:
        self.calls[operation] += 1
        ours, theirs = (
            _answer(client, operation, queue, parameters, receipt)
            for client, receipt in (
                (self._ours, received and received.receipts.ours),
                (self._theirs, received and received.receipts.theirs),
            )
        )
        self._note_sent(ours, theirs)
        mine, other = self._comparable(ours), self._comparable(theirs)
        if mine != other:
            named = {**parameters, "QueueUrl": queue}
            is_over = received is not None and received.is_over
            self._explain(Difference(operation, named, mine, other, is_over))
            self._renew(queue)
            return
        if operation == "delete_message" and received is not None and received.is_over:
            # Both say that it is done, and one of them did nothing.
            self._renew(queue)
            return
        self._note_received(queue, ours, theirs)
        if received is not None and "error" not in ours and parameters.get("VisibilityTimeout", 0) == 0:
            self._end(queue, received.message)

    def _explain(self, difference: Difference) -> None:
        for explanation in EXPLAINED:
            if explanation.is_it(difference):
                self.explained[explanation.about] += 1
                return
        raise AssertionError(difference)

    def _note_sent(self, ours: Json, theirs: Json) -> None:
        for mine, other in _sent_messages(ours, theirs):
            number = len(self._messages)
            self._messages[mine["MessageId"]] = self._messages[other["MessageId"]] = number

    def _note_received(self, queue: str, ours: Json, theirs: Json) -> None:
        for mine, other in zip(ours.get("Messages", ()), theirs.get("Messages", ()), strict=True):
            number = self._messages[mine["MessageId"]]
            self._end(queue, number)
            receipts = Pair(mine["ReceiptHandle"], other["ReceiptHandle"])
            self._received[queue].append(Received(receipts, number))

    def _end(self, queue: str, message: int) -> None:
        self._received[queue] = [
            each._replace(is_over=True) if each.message == message else each for each in self._received[queue]
        ]

    def _comparable(self, answer: Json) -> Json:
        return {name: self._comparable_value(name, value) for name, value in answer.items() if name not in _OWN}

    def _comparable_value(self, name: str, value: Any) -> Any:
        if name == "MessageId":
            return self._messages.get(value, value)
        if name == "Failed":
            return [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in value]
        if isinstance(value, list):
            return [self._comparable(item) if isinstance(item, dict) else item for item in value]
        if isinstance(value, dict):
            return self._comparable(value)
        return value

    def _renew(self, queue: str) -> None:
        """A queue that is the same on both sides, because there is nothing in it."""
        attributes = {"FifoQueue": "true"} if queue.endswith(".fifo") else {"VisibilityTimeout": "600"}
        for client in (self._ours, self._theirs):
            _answer(client, "delete_queue", queue, {}, None)
            client.create_queue(QueueName=queue, Attributes=attributes)
        self._received[queue] = []


# What is each side's own: when, by whom, under which name.
_OWN = {
    "ReceiptHandle",
    "SequenceNumber",
    "ResponseMetadata",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
}


def _answer(client: Client, operation: str, queue: str, parameters: Json, receipt: str | None) -> Json:
    url = f"{client.meta.endpoint_url}/123456789012/{queue}"
    given = {**parameters, "QueueUrl": url} | ({"ReceiptHandle": receipt} if receipt else {})
    try:
        answer: Json = getattr(client, operation)(**given)
    except ClientError as error:
        return {"error": error.response["Error"]["Code"].rpartition(".")[2]}
    return answer


def _sent_messages(ours: Json, theirs: Json) -> Sequence[tuple[Json, Json]]:
    if "MD5OfMessageBody" in ours and "MD5OfMessageBody" in theirs:
        return [(ours, theirs)]
    by_id = {entry["Id"]: entry for entry in theirs.get("Successful", ()) if "MessageId" in entry}
    return [(entry, by_id[entry["Id"]]) for entry in ours.get("Successful", ()) if entry["Id"] in by_id]


def _bodies(parameters: Json) -> set[str]:
    return {entry.get("MessageBody", "") for entry in (parameters, *parameters.get("Entries", ()))}


def _but(difference: Difference, attribute: str) -> bool:
    sides = (difference.ours, difference.theirs)
    ours, theirs = ({**side.get("Attributes", {}), attribute: None} for side in sides)
    return ours == theirs


def _has_a_group_twice(answer: Json) -> bool:
    groups = [message["Attributes"].get("MessageGroupId") for message in answer.get("Messages", ())]
    return len(groups) > len(set(groups)) and None not in groups
