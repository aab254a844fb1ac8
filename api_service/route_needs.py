"""Who may use which route of the API: all of them, in one place, because it is read as a whole or not at all.

A route that is not here makes the service refuse to start (`shared.access.route_needs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from api_service.lease_queues.messages import DEFAULT_QUEUE
from shared.access.callers import Need

NOTHING: Final = Need("nothing")
A_KEY: Final = Need("a key")
READ: Final = Need("read")
UPLOAD: Final = Need("upload", takes_json=False, brings_file=True)
# To change it: `upload`, and the upload has to be one's own.
OWN_UPLOAD: Final = Need("own upload")
OWN_UPLOAD_BY_FORM: Final = Need("own upload", takes_json=False, brings_file=True)
# To look at it: `read`, or `upload` if it is one's own.
SEEN_UPLOAD: Final = Need("seen upload")
QUEUE: Final = Need("queue")
DEFAULT: Final = Need("queue", queue=DEFAULT_QUEUE)
# A GET that leases, which an image on any page would send.
LEASING: Final = Need("queue", queue=DEFAULT_QUEUE, changes=True)
# Who sends is in the request's signature, which the endpoint checks itself, and which queues that one reaches.
SIGNED: Final = Need("nothing", takes_json=False)
ADMIN: Final = Need("admin")
# What a page shows and does it asks of the routes below, which ask the same caller for their scopes.
PAGE: Final = Need("a key", is_page=True, takes_json=False)
OPEN_PAGE: Final = Need("nothing", is_page=True, takes_json=False)

_PAGES: Final = (
    "GET /",
    "POST /uploads",
    "GET /uploads/{upload_id}",
    "POST /uploads/{upload_id}/start",
    "POST /uploads/{upload_id}/preview",
    "POST /uploads/{upload_id}/start-previewed",
    "POST /uploads/{upload_id}/cancel",
    "POST /uploads/{upload_id}/undo",
    "POST /uploads/{upload_id}/delete",
    "GET /uploads/{upload_id}/results",
    "GET /uploads/{upload_id}/left",
    "GET /uploads/{upload_id}/rejects",
    "POST /uploads/{upload_id}/corrections",
    "GET /uploads/{upload_id}/corrections/{correction_id}",
    "GET /employees",
    "GET /employees/{employee_id}",
    "POST /employees/{employee_id}/delete",
    "GET /erasures",
    "POST /erasures/find",
    "POST /erasures/order",
    "GET /erasures/{erasure_id}",
    "POST /erasures/{erasure_id}/allow",
    "GET /dead-letters",
    "POST /dead-letters/redrive",
    "POST /dead-letters/discard",
    "GET /dead-letters/jobs/{job_id}",
    "POST /dead-letters/jobs/{job_id}/stop",
    "GET /queues",
    "GET /queues/{queue}",
    "POST /queues/{queue}/send",
    "POST /queues/{queue}/redrive",
    "POST /queues/{queue}/purge",
    "POST /queues/{queue}/pause",
    "POST /queues/{queue}/resume",
    "POST /queues/{queue}/subscribe",
    "POST /queues/{queue}/unsubscribe",
    "POST /queues/{queue}/delete",
    "GET /queues/{queue}/messages/{message_id}",
    "POST /queues/{queue}/messages/{message_id}/cancel",
    "POST /queues/{queue}/messages/{message_id}/redrive",
    "GET /system",
    "GET /keys",
    "GET /audit",
    "POST /keys",
    "POST /keys/{key_id}/revoke",
    "GET /account",
    "POST /sign-out",
    "GET /info",
    "GET /docs",
    "GET /redoc",
)

_DECLARED: Final[Mapping[str, Need]] = {
    # Probes, and what a page is drawn with: nobody's data.
    "GET /livez": NOTHING,
    "GET /readyz": NOTHING,
    "GET /assets/{digest}/{name}": NOTHING,
    "GET /docs/assets/*": NOTHING,
    "GET /guide/*": NOTHING,
    "GET /sign-in": OPEN_PAGE,
    "POST /sign-in": OPEN_PAGE,
    # The browser comes back from elsewhere: that it began here is shown by its cookie.
    "GET /sign-in/provider": OPEN_PAGE,
    "GET /sign-in/provider/answer": OPEN_PAGE,
    "GET /openapi.json": A_KEY,
    # Uploads
    "POST /v1/employee-data-upload": UPLOAD,
    "GET /v1/employee-data-upload/template.csv": A_KEY,
    "GET /v1/employee-data-upload/template.xlsx": A_KEY,
    "GET /v1/uploads": Need("seen uploads"),
    "GET /v1/uploads/{upload_id}": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/events": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/file": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/sample": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/rows": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/results.csv": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/rejects": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/rejects.csv": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/rejects/{row_number}": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/corrections/{correction_id}": SEEN_UPLOAD,
    "GET /v1/uploads/{upload_id}/corrections/{correction_id}/rows": SEEN_UPLOAD,
    "PATCH /v1/uploads/{upload_id}": OWN_UPLOAD,
    "DELETE /v1/uploads/{upload_id}": OWN_UPLOAD,
    "POST /v1/uploads/{upload_id}/start": OWN_UPLOAD,
    "POST /v1/uploads/{upload_id}/preview": OWN_UPLOAD,
    "POST /v1/uploads/{upload_id}/cancel": OWN_UPLOAD,
    "POST /v1/uploads/{upload_id}/undo": OWN_UPLOAD,
    "PATCH /v1/uploads/{upload_id}/rejects/{row_number}": OWN_UPLOAD,
    "POST /v1/uploads/{upload_id}/corrections": OWN_UPLOAD_BY_FORM,
    "DELETE /v1/uploads/{upload_id}/corrections/{correction_id}": OWN_UPLOAD,
    # Employees
    "GET /v1/employees": READ,
    "GET /v1/employees.csv": READ,
    "GET /v1/employees/{employee_id}": READ,
    "GET /v1/employees/{employee_id}/history": READ,
    "DELETE /v1/employees/{employee_id}": ADMIN,
    # Dead letters are of all uploads.
    "GET /v1/dead-letters": READ,
    "GET /v1/dead-letters/jobs/{job_id}": READ,
    "POST /v1/dead-letters/redrive": ADMIN,
    "DELETE /v1/dead-letters": ADMIN,
    "DELETE /v1/dead-letters/jobs/{job_id}": ADMIN,
    # Erasures
    "POST /v1/erasures": ADMIN,
    "POST /v1/erasure-search": ADMIN,
    "GET /v1/erasures": ADMIN,
    "GET /v1/erasures/{erasure_id}": ADMIN,
    "DELETE /v1/erasures/{erasure_id}/suppression": ADMIN,
    # Lease queues
    "GET /v1/queues": QUEUE,
    "GET /v1/queues/{queue}": QUEUE,
    "PUT /v1/queues/{queue}": QUEUE,
    "PATCH /v1/queues/{queue}": QUEUE,
    "DELETE /v1/queues/{queue}": QUEUE,
    "GET /v1/queues/{queue}/messages": QUEUE,
    "POST /v1/queues/{queue}/messages": QUEUE,
    "DELETE /v1/queues/{queue}/messages": QUEUE,
    "POST /v1/queues/{queue}/receive": QUEUE,
    "POST /v1/queues/{queue}/acknowledge": QUEUE,
    "POST /v1/queues/{queue}/extend": QUEUE,
    "POST /v1/queues/{queue}/redrive": QUEUE,
    "GET /v1/queues/{queue}/redrives/{job_id}": QUEUE,
    "DELETE /v1/queues/{queue}/redrives/{job_id}": QUEUE,
    "GET /v1/queues/{queue}/subscription": QUEUE,
    "PUT /v1/queues/{queue}/subscription": QUEUE,
    "DELETE /v1/queues/{queue}/subscription": QUEUE,
    "GET /v1/queues/{queue}/messages/by-id/{id}": QUEUE,
    "DELETE /v1/queues/{queue}/messages/by-id/{id}": QUEUE,
    "DELETE /v1/queues/{queue}/messages/{receipt}": QUEUE,
    "PATCH /v1/queues/{queue}/messages/{receipt}": QUEUE,
    "POST /v1/publish": DEFAULT,
    "GET /v1/consumer": LEASING,
    "DELETE /v1/consumer": DEFAULT,
    "POST /message/new": DEFAULT,
    "GET /message/next": LEASING,
    "POST /message/{id}/status/done": DEFAULT,
    # SQS
    "POST /": SIGNED,
    "POST /{account}/{queue}": SIGNED,
    # Operations
    "GET /v1/status": READ,
    "GET /v1/status/history": READ,
    "GET /v1/retention": READ,
    "GET /v1/audit": ADMIN,
    "GET /v1/audit.jsonl": ADMIN,
    "GET /v1/self": A_KEY,
    "GET /v1/keys": ADMIN,
    "POST /v1/keys": ADMIN,
    "GET /v1/keys/{key_id}": ADMIN,
    "DELETE /v1/keys/{key_id}": ADMIN,
}


# What the audit calls what is done by it. To look and to search is not noted.
_ACTIONS: Final[Mapping[str, str]] = {
    "POST /v1/employee-data-upload": "upload.create",
    "GET /v1/uploads/{upload_id}/file": "upload.download",
    "GET /v1/uploads/{upload_id}/results.csv": "results.export",
    "GET /v1/uploads/{upload_id}/rejects.csv": "rejects.export",
    "PATCH /v1/uploads/{upload_id}": "upload.change",
    "DELETE /v1/uploads/{upload_id}": "upload.delete",
    "POST /v1/uploads/{upload_id}/start": "upload.start",
    "POST /v1/uploads/{upload_id}/preview": "upload.preview",
    "POST /v1/uploads/{upload_id}/cancel": "upload.cancel",
    "POST /v1/uploads/{upload_id}/undo": "upload.undo",
    "PATCH /v1/uploads/{upload_id}/rejects/{row_number}": "reject.correct",
    "POST /v1/uploads/{upload_id}/corrections": "rejects.correct",
    "DELETE /v1/uploads/{upload_id}/corrections/{correction_id}": "correction.cancel",
    "GET /v1/employees.csv": "employees.export",
    "DELETE /v1/employees/{employee_id}": "employee.delete",
    "POST /v1/dead-letters/redrive": "dead-letters.redrive",
    "DELETE /v1/dead-letters": "dead-letters.delete",
    "DELETE /v1/dead-letters/jobs/{job_id}": "dead-letters.cancel",
    "POST /v1/erasures": "person.erase",
    "DELETE /v1/erasures/{erasure_id}/suppression": "person.allow",
    "PUT /v1/queues/{queue}": "queue.configure",
    "PATCH /v1/queues/{queue}": "queue.change",
    "DELETE /v1/queues/{queue}": "queue.delete",
    "DELETE /v1/queues/{queue}/messages": "queue.purge",
    "POST /v1/queues/{queue}/redrive": "queue.redrive",
    "DELETE /v1/queues/{queue}/redrives/{job_id}": "queue.cancel-redrive",
    "PUT /v1/queues/{queue}/subscription": "queue.subscribe",
    "DELETE /v1/queues/{queue}/subscription": "queue.unsubscribe",
    "DELETE /v1/queues/{queue}/messages/by-id/{id}": "queue.cancel",
    "POST /v1/keys": "key.create",
    "DELETE /v1/keys/{key_id}": "key.revoke",
    "POST /sign-in": "sign-in",
    "GET /sign-in/provider/answer": "sign-in",
    "POST /sign-out": "sign-out",
    "GET /v1/audit.jsonl": "audit.export",
}


def declared_needs(metrics_access: Literal["key", "open"]) -> dict[str, Need]:
    metrics = Need("metrics") if metrics_access == "key" else NOTHING
    needs = {**_DECLARED, **dict.fromkeys(_PAGES, PAGE), "GET /metrics": metrics}
    return {route: replace(need, action=_ACTIONS.get(route)) for route, need in needs.items()}
