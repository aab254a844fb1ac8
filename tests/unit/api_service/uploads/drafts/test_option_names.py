"""A draft is changed by the very options that the form has, and a sample tries them."""

from __future__ import annotations

from inspect import signature

import pytest

from api_service.uploads.drafts.option_names import ChangedOptions, _tried_options
from api_service.uploads.form_description import INTAKE_BODY
from api_service.uploads.options import FIELD_NAMES, OPTION_NAMES, form_fields, given_options, parse_options

FORM = {
    "onDuplicate": "update",
    "delimiter": ";",
    "encoding": "cp1250",
    "header": "present",
    "headerLine": "3",
    "mapping": '{"email": ["Mail"]}',
    "escape": "backslash",
    "maxRejects": "5",
}


def test_every_option_of_the_form_can_be_changed_and_tried() -> None:
    changed = {field.alias for field in ChangedOptions.model_fields.values()}
    tried = {
        getattr(annotation, "alias", None) or name
        for name, parameter in signature(_tried_options, eval_str=True).parameters.items()
        for annotation in [parameter.annotation.__metadata__[-1]]
    }
    assert changed == tried == OPTION_NAMES


def test_every_field_of_the_form_is_described() -> None:
    described = INTAKE_BODY["content"]["multipart/form-data"]["schema"]["properties"]  # type: ignore[index]
    assert set(described) - {"employee_data"} == FIELD_NAMES


def test_options_come_back_from_their_json_types_as_they_were() -> None:
    given = given_options(FORM | {"start": "draft"})
    assert given["headerLine"] == 3
    assert given["mapping"] == {"email": ["Mail"]}
    assert "start" not in given
    again = parse_options(form_fields(given), most_rejects=10)
    assert again == parse_options(FORM, most_rejects=10)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"encoding": None, "delimiter": ""}, {}),
        ({"columns": ["-", "email"]}, {"columns": "-,email"}),
        ({"columns": "-,email"}, {"columns": "-,email"}),
        ({"sheet": 2}, {"sheet": "2"}),
        ({"maxRejects": 0}, {"maxRejects": "0"}),
    ],
)
def test_what_takes_an_option_back_is_none(given: dict[str, object], fields: dict[str, str]) -> None:
    assert form_fields(given) == fields
