"""Every message is decoded as it was encoded, and anything else is refused without quoting it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MalformedMessage, NewerThanKnown
from shared.messages import (
    NEWEST_VERSION,
    ChunkCounts,
    ChunkReply,
    ChunkRequest,
    CorrectionRequest,
    DeadLetterMessage,
    EmployeeRequest,
    Fault,
    RedriveRequest,
    Reply,
    Request,
    RequestsLost,
    UploadAnnounced,
    decode_announcement,
    decode_reply,
    decode_request,
    encode,
)
from shared.rows.layout import Layout, NewerLayout

SECRET = "asha.rao@example.com"
ID = uuid.UUID("6f3f1c9e-2f51-4b9f-93a9-0e7a4a9c0b4e")
CHUNK = ChunkRequest(
    upload_id=ID,
    first_row=3,
    layout=Layout(5, {"employee_name": (0, 1), "company_name": (2,), "mobile_no": (3,), "email": (4,)}),
    byte_count=99,
    line_numbers=[4, 6],
    rows=[["a", "b"], ["ü\n", '"']],
    faults={1: "row_too_long"},
)


EMPLOYEE = EmployeeRequest(correlation_id=ID, values={"employee_name": "Asha", "email": SECRET})


CORRECTION = CorrectionRequest(upload_id=ID, correction_id=ID, rows=[(5, 2, ["Asha", SECRET])])


@pytest.mark.parametrize("request_", [CHUNK, EMPLOYEE, RedriveRequest(upload_id=ID, rows=[(1, 1), (5, 2)]), CORRECTION])
def test_request_comes_back_as_it_went(request_: Request) -> None:
    assert decode_request(encode(request_)) == request_


def test_reply_and_announcement_come_back_as_they_went() -> None:
    counts = ChunkCounts(inserted=1, rejected=2, rejected_by={"invalid_email": 2})
    reply = ChunkReply(upload_id=ID, first_row=1, outcome="done", row_count=3, byte_count=9, counts=counts)

    assert decode_reply(encode(reply)) == reply
    assert decode_reply(encode(RequestsLost())) == RequestsLost()
    assert decode_announcement(encode(UploadAnnounced(upload_id=ID))) == UploadAnnounced(upload_id=ID)


def test_message_says_its_kind_in_its_body() -> None:
    assert msgspec.json.decode(encode(CHUNK))["kind"] == "chunk"
    assert msgspec.json.decode(encode(RedriveRequest(upload_id=ID, rows=[])))["kind"] == "redrive"


def test_dead_letter_is_written_for_people() -> None:
    letter = DeadLetterMessage(
        upload_id=ID,
        row_number=7,
        line_number=9,
        attempt=2,
        code="invalid_email",
        field="email",
        message="No.",
        faults=[Fault("invalid_email", "email", "No."), Fault("missing_value", "mobile_no", "Empty.")],
        cells=[],
    )

    assert msgspec.json.decode(encode(letter)) == {
        "kind": "dead_letter",
        "version": 2,
        "uploadId": str(ID),
        "rowNumber": 7,
        "lineNumber": 9,
        "attempt": 2,
        "code": "invalid_email",
        "field": "email",
        "message": "No.",
        "faults": [
            {"code": "invalid_email", "field": "email", "message": "No."},
            {"code": "missing_value", "field": "mobile_no", "message": "Empty."},
        ],
        "cells": [],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"rows": []},
        {"line_numbers": [4]},
        {"first_row": 0},
        {"rows": [["a"]]},
        {"first_row": 2**63},
        {"line_numbers": [4, 10**30]},
        {"byte_count": -1},
    ],
)
def test_chunk_that_does_not_account_for_its_rows_is_malformed(change: dict[str, object]) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(CHUNK) | change)

    with pytest.raises(MalformedMessage):
        decode_request(body)


@pytest.mark.parametrize("pair", [(0, 1), (2**63, 1), (1, 2**31), (1, -1)])
def test_redrive_of_what_no_table_can_hold_is_malformed(pair: tuple[int, int]) -> None:
    with pytest.raises(MalformedMessage):
        decode_request(encode(RedriveRequest(upload_id=ID, rows=[pair])))


@given(body=st.binary(max_size=60))
def test_any_bytes_are_malformed_and_raise_nothing_else(body: bytes) -> None:
    for decode in (decode_request, decode_reply, decode_announcement):
        with pytest.raises(MalformedMessage):
            decode(body)


def test_body_that_is_nested_too_deeply_is_malformed() -> None:
    body = b'{"kind": "chunk", "unknown": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    for decode in (decode_request, decode_reply, decode_announcement):
        with pytest.raises(MalformedMessage):
            decode(body)


@pytest.mark.parametrize(
    "change",
    [
        {"upload_id": SECRET},
        {"first_row": SECRET},
        {"rows": SECRET},
        {"rows": [[SECRET, 1]]},
        {"kind": SECRET},
        {"faults": {SECRET: SECRET}},
        {SECRET: SECRET, "first_row": "x"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_reason_for_a_malformed_message_quotes_nothing_out_of_it(change: dict[str, object]) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(CHUNK) | change)

    with pytest.raises(MalformedMessage) as raised:
        decode_request(body)

    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "email",
    [(), (5,), (-1,)],
    ids=["a field without columns", "a column past the last", "a column before the first"],
)
def test_chunk_whose_layout_does_not_fit_is_malformed(email: tuple[int, ...]) -> None:
    body = encode(msgspec.structs.replace(CHUNK, layout=Layout(5, {**CHUNK.layout.columns, "email": email})))
    with pytest.raises(MalformedMessage, match="layout"):
        decode_request(body)


def test_chunk_says_which_columns_are_which_field_by_the_fields_names() -> None:
    layout = msgspec.json.decode(encode(CHUNK))["layout"]
    assert layout == {
        "width": 5,
        "columns": {"employee_name": [0, 1], "company_name": [2], "mobile_no": [3], "email": [4]},
    }


def test_chunk_that_was_sent_before_layouts_had_names_reads_on() -> None:
    older = msgspec.to_builtins(CHUNK) | {"layout": [5, [[0, 1], [2], [3], [4]]]}
    assert decode_request(msgspec.json.encode(older)) == CHUNK


@pytest.mark.parametrize(
    "fields", [[[0], [1], [2]], [[0], [1], [2], [3], [4]], [[0], [1], [2], []], [[0], [1], [2], [5]]]
)
def test_layout_without_names_that_is_not_of_its_time_is_malformed(fields: list[list[int]]) -> None:
    with pytest.raises(MalformedMessage):
        decode_request(msgspec.json.encode(msgspec.to_builtins(CHUNK) | {"layout": [5, fields]}))


def test_employee_that_was_sent_before_its_cells_had_names_reads_on() -> None:
    older = {"kind": "employee", "correlation_id": str(ID), "cells": ["Asha", "Initech", "1234567", SECRET]}
    request = decode_request(msgspec.json.encode(older))
    assert isinstance(request, EmployeeRequest)
    assert request.values == {
        "employee_name": "Asha",
        "company_name": "Initech",
        "mobile_no": "1234567",
        "email": SECRET,
    }


@pytest.mark.parametrize("cells", [[], ["a", "b", "c"], ["a", "b", "c", "d", "e"], [1, 2, 3, 4]])
def test_employee_without_names_that_is_not_of_its_time_is_malformed(cells: list[object]) -> None:
    with pytest.raises(MalformedMessage):
        decode_request(msgspec.json.encode({"kind": "employee", "correlation_id": str(ID), "cells": cells}))


def test_layout_with_a_field_of_a_newer_version_is_kept_and_never_read_without_it() -> None:
    newer = Layout(5, {**CHUNK.layout.columns, "shoe_size": (4,)})
    request = decode_request(encode(msgspec.structs.replace(CHUNK, layout=newer)))
    assert isinstance(request, ChunkRequest)
    assert request.layout == newer
    with pytest.raises(NewerLayout):
        request.layout.require_known()


@pytest.mark.fault(33)
@pytest.mark.parametrize("decode", [decode_request, decode_reply, decode_announcement])
@pytest.mark.parametrize(
    "newer",
    [
        {"kind": "chunk", "version": NEWEST_VERSION + 1},
        {"kind": "sheet", "version": NEWEST_VERSION},
        {"kind": "chunk", "version": NEWEST_VERSION, "faults": {"0": "record_has_nul"}},
    ],
    ids=["version", "kind", "code"],
)
def test_what_a_newer_release_wrote_is_told_from_what_is_malformed(
    newer: dict[str, object], decode: Callable[[bytes], object]
) -> None:
    with pytest.raises(NewerThanKnown, match="update this service"):
        decode(msgspec.json.encode(newer))


@pytest.mark.parametrize("version", [None, "2", -1, 0, 1.5])
def test_unknown_kind_without_a_version_is_nobodys(version: object) -> None:
    stated = {} if version is None else {"version": version}
    with pytest.raises(MalformedMessage):
        decode_request(msgspec.json.encode({"kind": "sheet"} | stated))


@pytest.mark.fault(33)
@pytest.mark.parametrize("place", [(), ("layout",)], ids=["message", "layout"])
def test_unknown_field_of_a_known_version_is_refused(place: tuple[str, ...]) -> None:
    body = msgspec.to_builtins(CHUNK)
    part = body
    for name in place:
        part = part[name]
    part["sheet"] = 1
    with pytest.raises(MalformedMessage, match="unknown field"):
        decode_request(msgspec.json.encode(body))


def test_message_without_a_version_is_one_of_the_releases_before_there_were_any() -> None:
    older = msgspec.to_builtins(CHUNK)
    del older["version"], older["reader_version"]
    assert decode_request(msgspec.json.encode(older)) == CHUNK


@pytest.mark.fault(33)
def test_form_of_messages_has_not_changed_without_a_new_version() -> None:
    """When this fails, raise `NEWEST_VERSION`, and let the messages say it that need it; then note the new digest."""
    kinds = (*get_args(Request), *get_args(Reply), UploadAnnounced, DeadLetterMessage)
    _, forms = msgspec.json.schema_components(kinds)
    for form in forms.values():
        form.pop("description", None)
    digest = hashlib.sha256(msgspec.json.encode(forms, order="deterministic")).hexdigest()
    assert (NEWEST_VERSION, digest[:16]) == (5, "a4141308c0d22800")
