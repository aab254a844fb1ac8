"""What the form says beside the file."""

from __future__ import annotations

import pytest

from api_service.http.problems import Problem, ProblemCode
from api_service.uploads.options import UploadOptions, parse_options


def parse(**fields: str) -> UploadOptions:
    return parse_options(fields, most_rejects=100)


@pytest.mark.parametrize(
    ("written", "mode", "parsed"),
    [
        ("mobile_no,company_name", "skip", ("company_name", "mobile_no")),
        (" mobile_no , mobile_no", "reject", ("mobile_no",)),
        ("employee_name", "update", ("employee_name",)),
        ("", "update", ()),
    ],
)
def test_optional_fields_are_parsed_in_their_declared_order(written: str, mode: str, parsed: tuple[str, ...]) -> None:
    assert parse(optional=written, onDuplicate=mode).format.optional == parsed


@pytest.mark.parametrize(
    ("written", "mode", "hint"),
    [
        ("email", "update", "cannot name email"),
        ("mobile_no,email", "skip", "cannot name email"),
        ("employee_name", "skip", "except with onDuplicate=update"),
        ("employee_name", "reject", "except with onDuplicate=update"),
        ("phone", "update", "employee_name, company_name, mobile_no"),
        ("phone", "skip", "optional: company_name, mobile_no"),
        ("mobile_no,", "skip", "separated by commas"),
        ("mobile_no;company_name", "skip", "separated by commas"),
        ("Mobile_No", "skip", "company_name, mobile_no"),
    ],
)
def test_what_cannot_be_optional_is_refused_with_what_can(written: str, mode: str, hint: str) -> None:
    with pytest.raises(Problem) as raised:
        parse(optional=written, onDuplicate=mode)
    assert raised.value.code is ProblemCode.INVALID_REQUEST
    assert hint in str(raised.value.detail)


def test_optional_fields_make_another_request_and_their_order_does_not() -> None:
    plain, spelt_out = parse(), parse(optional="")
    one, other = parse(optional="mobile_no,company_name"), parse(optional="company_name,mobile_no")
    assert plain.fingerprint("x") == spelt_out.fingerprint("x") != one.fingerprint("x") == other.fingerprint("x")
