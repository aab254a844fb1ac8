"""What an upload does with employees whom its file does not name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from api_service.uploads.refused_option import refuse_option
from shared.database.absence import ALL
from shared.rows.employee_row import clean_value
from shared.rows.fields import FIELDS
from shared.rows.rules.rule import RowFault

NAMES: Final = ("absent", "absentScope", "absentAtMost")
DEACTIVATE: Final = "deactivate"
DEFAULT_AT_MOST: Final = "10%"

_COMPANY: Final = next(field for field in FIELDS if field.name == "company_name")
_count: Final = re.compile(r"[0-9]{1,9}")
_share: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3})?%")


@dataclass(frozen=True, slots=True)
class AbsentOptions:
    """`scope` is a company as it is stored, or `all`; `at_most` a count or a share."""

    scope: str
    at_most: str

    def values(self) -> dict[str, Any]:
        """As `uploads` has them."""
        return {"absent_scope": self.scope, "absent_at_most": self.at_most}


NO_VALUES: Final[dict[str, Any]] = {"absent_scope": None, "absent_at_most": None}


def absent_options(fields: Mapping[str, str]) -> AbsentOptions | None:
    """None when nobody is deactivated. Raises `Problem` invalid_request."""
    if "absent" not in fields:
        for name in NAMES:
            if name in fields:
                refuse_option(name, f"goes with absent={DEACTIVATE}: send that too, or leave it out")
        return None
    if fields["absent"] != DEACTIVATE:
        refuse_option("absent", f"must be {DEACTIVATE}, or left out")
    return AbsentOptions(_scope(fields.get("absentScope", "")), _at_most(fields.get("absentAtMost", DEFAULT_AT_MOST)))


def _scope(given: str) -> str:
    scope = clean_value(_COMPANY, given)
    if isinstance(scope, RowFault) or not scope:
        refuse_option(
            "absentScope", f"must say whose employees have left if the file lacks them: a company's name, or {ALL}"
        )
    return scope


def _at_most(given: str) -> str:
    text = given.strip()
    if not (_count.fullmatch(text) or (_share.fullmatch(text) and Decimal(text[:-1]) <= 100)):
        refuse_option(
            "absentAtMost",
            f"must be a whole number of employees such as 25, or a share of the scope such as {DEFAULT_AT_MOST}",
        )
    return text
