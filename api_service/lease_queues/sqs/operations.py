"""All operations of SQS by name: what each takes, and what does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from api_service.lease_queues.sqs import message_operations, move_operations, queue_operations, requests
from api_service.lease_queues.sqs.endpoint import Call


class Operation(NamedTuple):
    """What has no result returns None."""

    request_type: type[requests.SqsRequest]
    run: Callable[[Call, Any], Awaitable[dict[str, Any] | None]]


OPERATIONS: Final = {
    "AddPermission": Operation(requests.AddPermission, queue_operations.add_permission),
    "CancelMessageMoveTask": Operation(requests.CancelMessageMoveTask, move_operations.cancel_message_move_task),
    "ChangeMessageVisibility": Operation(
        requests.ChangeMessageVisibility, message_operations.change_message_visibility
    ),
    "ChangeMessageVisibilityBatch": Operation(
        requests.ChangeMessageVisibilityBatch, message_operations.change_message_visibility_batch
    ),
    "CreateQueue": Operation(requests.CreateQueue, queue_operations.create_queue),
    "DeleteMessage": Operation(requests.DeleteMessage, message_operations.delete_message),
    "DeleteMessageBatch": Operation(requests.DeleteMessageBatch, message_operations.delete_message_batch),
    "DeleteQueue": Operation(requests.OfQueue, queue_operations.delete_queue),
    "GetQueueAttributes": Operation(requests.GetQueueAttributes, queue_operations.get_queue_attributes),
    "GetQueueUrl": Operation(requests.GetQueueUrl, queue_operations.get_queue_url),
    "ListDeadLetterSourceQueues": Operation(
        requests.ListDeadLetterSourceQueues, queue_operations.list_dead_letter_source_queues
    ),
    "ListMessageMoveTasks": Operation(requests.ListMessageMoveTasks, move_operations.list_message_move_tasks),
    "ListQueueTags": Operation(requests.OfQueue, queue_operations.list_queue_tags),
    "ListQueues": Operation(requests.ListQueues, queue_operations.list_queues),
    "PurgeQueue": Operation(requests.OfQueue, queue_operations.purge_queue),
    "ReceiveMessage": Operation(requests.ReceiveMessage, message_operations.receive_message),
    "RemovePermission": Operation(requests.RemovePermission, queue_operations.remove_permission),
    "SendMessage": Operation(requests.SendMessage, message_operations.send_message),
    "SendMessageBatch": Operation(requests.SendMessageBatch, message_operations.send_message_batch),
    "SetQueueAttributes": Operation(requests.SetQueueAttributes, queue_operations.set_queue_attributes),
    "StartMessageMoveTask": Operation(requests.StartMessageMoveTask, move_operations.start_message_move_task),
    "TagQueue": Operation(requests.TagQueue, queue_operations.tag_queue),
    "UntagQueue": Operation(requests.UntagQueue, queue_operations.untag_queue),
}
