"""The requests of SQS, field by field as its model names them. What is not known is passed over, as SQS does."""

from __future__ import annotations

import msgspec

from api_service.lease_queues.sqs.message_attributes import AttributeValue


class SqsRequest(msgspec.Struct, rename="pascal"):
    pass


class OfQueue(SqsRequest):
    queue_url: str


class CreateQueue(SqsRequest):
    queue_name: str
    attributes: dict[str, str] | None = None
    tags: dict[str, str] | None = msgspec.field(default=None, name="tags")


class GetQueueUrl(SqsRequest):
    queue_name: str


class ListQueues(SqsRequest):
    queue_name_prefix: str | None = None
    next_token: str | None = None
    max_results: int | None = None


class ListDeadLetterSourceQueues(OfQueue):
    next_token: str | None = None
    max_results: int | None = None


class SetQueueAttributes(OfQueue):
    attributes: dict[str, str]


class GetQueueAttributes(OfQueue):
    attribute_names: list[str] | None = None


class StartMessageMoveTask(SqsRequest):
    source_arn: str
    destination_arn: str | None = None
    max_number_of_messages_per_second: int | None = None


class ListMessageMoveTasks(SqsRequest):
    source_arn: str
    max_results: int | None = None


class CancelMessageMoveTask(SqsRequest):
    task_handle: str


class TagQueue(OfQueue):
    tags: dict[str, str]


class UntagQueue(OfQueue):
    tag_keys: list[str]


class AddPermission(OfQueue):
    label: str
    account_ids: list[str] = msgspec.field(name="AWSAccountIds")
    actions: list[str]


class RemovePermission(OfQueue):
    label: str


class OutgoingMessage(SqsRequest):
    message_body: str
    delay_seconds: int | None = None
    message_attributes: dict[str, AttributeValue] | None = None
    message_system_attributes: dict[str, AttributeValue] | None = None
    message_deduplication_id: str | None = None
    message_group_id: str | None = None


class SendMessage(OutgoingMessage, kw_only=True):
    queue_url: str


class SendEntry(OutgoingMessage, kw_only=True):
    id: str


class SendMessageBatch(OfQueue):
    entries: list[SendEntry]


class ReceiveMessage(OfQueue):
    attribute_names: list[str] | None = None
    message_system_attribute_names: list[str] | None = None
    message_attribute_names: list[str] | None = None
    max_number_of_messages: int | None = None
    visibility_timeout: int | None = None
    wait_time_seconds: int | None = None
    receive_request_attempt_id: str | None = None


class DeleteMessage(OfQueue):
    receipt_handle: str


class DeleteEntry(SqsRequest):
    id: str
    receipt_handle: str


class DeleteMessageBatch(OfQueue):
    entries: list[DeleteEntry]


class ChangeMessageVisibility(OfQueue):
    receipt_handle: str
    visibility_timeout: int


class VisibilityEntry(SqsRequest):
    id: str
    receipt_handle: str
    visibility_timeout: int | None = None


class ChangeMessageVisibilityBatch(OfQueue):
    entries: list[VisibilityEntry]
