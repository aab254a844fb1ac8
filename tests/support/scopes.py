"""Which operations of the services each scope is for, by their ids: an answer of its own, not the service's."""

from __future__ import annotations

from typing import Final

OPEN: Final = {"livez", "readyz"}
ANY_KEY: Final = {"getOwnKey", "getUploadTemplate", "getUploadWorkbookTemplate"}
READS: Final = {
    *("listEmployees", "exportEmployees", "getEmployee", "getEmployeeHistory", "getStatus", "getStatusHistory"),
    *("getRetention", "metrics"),
    *("listDeadLetters", "getDeadLetterJob"),
}
# Of uploads of others, too, for `read`; of own ones for `upload`.
LOOKS_AT_UPLOADS: Final = {
    *("listUploads", "getUpload", "followUpload", "downloadUpload", "sampleUpload", "listResults", "downloadResults"),
    *("listRejects", "downloadRejects", "getReject", "getCorrection", "listCorrectedRows"),
}
UPLOADS: Final = {
    *("createUpload", "cancelUpload", "deleteUpload", "undoUpload", "changeDraft", "startDraft", "previewUpload"),
    *("correctReject", "correctRejects", "cancelCorrection"),
}
# Each of the queue that its address names.
QUEUES: Final = {
    *("sendMessages", "receiveMessages", "acknowledgeMessage", "acknowledgeMessages", "changeLease", "getQueue"),
    *("configureQueue", "listMessages", "redriveMessages", "purgeMessages", "changeLeases", "getMessage"),
    *("cancelMessage", "changeQueue", "deleteQueue", "getRedrive", "cancelRedrive"),
    *("subscribe", "getSubscription", "unsubscribe"),
}
# Of the queue `default`, which is the only one of theirs.
OLDER_CLIENTS: Final = {
    *("publishMessage", "consumeMessages", "deleteConsumedMessage", "addMessage", "nextMessage", "finishMessage"),
}
# Of the producer.
REQUESTS: Final = {"postRequests"}
MAY: Final = {
    "read": READS | LOOKS_AT_UPLOADS,
    "upload": UPLOADS | LOOKS_AT_UPLOADS | REQUESTS,
    "metrics": {"metrics"},
    "queues:*": QUEUES | OLDER_CLIENTS | {"listQueues"},
    "queues:default": QUEUES | OLDER_CLIENTS,
    "queues:other": set[str](),
}
