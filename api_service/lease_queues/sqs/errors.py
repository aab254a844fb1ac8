"""What the SQS endpoint answers when it refuses, by the names and texts that SDKs know.

SqsError           the client's fault unless it says otherwise
├── QueueMissing   the commonest
└── EntryError     of one entry of a batch, whose other entries go on
"""

from __future__ import annotations

from typing import Final

# The codes of the Query protocol, where they are not the names of the JSON protocol. SDKs that grew up with Query get
# them in a header (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait).
_QUERY_CODES: Final = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}


class SqsError(Exception):
    """`code` is the name of the JSON protocol."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    @property
    def query_code(self) -> str:
        return _QUERY_CODES.get(self.code, self.code)

    @property
    def is_senders_fault(self) -> bool:
        return self.status < 500


class QueueMissing(SqsError):
    def __init__(self) -> None:
        super().__init__("QueueDoesNotExist", "The specified queue does not exist.")


class EntryError(SqsError):
    """Raised by what sends or changes one message, alone or as an entry of a batch."""


def invalid_parameter(name: str, value: object, reason: str) -> EntryError:
    return EntryError("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def missing_parameter(name: str) -> EntryError:
    return EntryError("MissingParameter", f"The request must contain the parameter {name}.")


def invalid_attribute_name(name: str) -> SqsError:
    return SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")


def invalid_attribute_value(name: str) -> SqsError:
    return SqsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


def invalid_receipt(receipt: str) -> EntryError:
    return EntryError("ReceiptHandleIsInvalid", f'The input receipt handle "{receipt}" is not a valid receipt handle.')
