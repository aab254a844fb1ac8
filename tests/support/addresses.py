"""A valid value of each parameter in a path of the API, for tests that go through every address."""

from __future__ import annotations

PATH_VALUES = {
    "upload_id": "6f2c6f4e-3b55-4c76-9a0d-5a3a9d2f6a10",
    "employee_id": "17",
    "row_number": "17",
    "correction_id": "00000000-0000-0000-0000-000000000000",
    "job_id": "00000000-0000-0000-0000-000000000000",
    "erasure_id": "00000000-0000-0000-0000-000000000000",
    "key_id": "4fJq0aZx81Lm",
    "queue": "emails",
    "receipt": "17-9ec5862decac4130857f7eeb48e8d5d5",
    "id": "17",
    "message_id": "17",
}
