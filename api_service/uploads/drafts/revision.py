"""An upload's revision as an entity tag, and the condition on it that a change of a draft is sent with."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, NamedTuple

from fastapi import Depends, Header
from sqlalchemy import Row

from api_service.http.problems import Problem, ProblemCode

# As a number, or as the entity tag that it is (RFC 9110); several, or any.
_PATTERN: Final = r"^\s*(\*|[0-9]{1,19}|\"[0-9]{1,19}\")(\s*,\s*(\"[0-9]{1,19}\"|[0-9]{1,19}))*\s*$"


class Condition(NamedTuple):
    """The revisions that the sender knows; None for any."""

    revisions: frozenset[int] | None

    def require(self, upload: Row[Any]) -> None:
        """Raises `Problem`."""
        if self.revisions is not None and upload.revision not in self.revisions:
            raise Problem(
                ProblemCode.REVISION_CHANGED,
                f"The upload is at revision {upload.revision} by now: look at it again, and send that in If-Match.",
            )


def etag(upload: Row[Any]) -> str:
    return f'"{upload.revision}"'


async def _condition(
    if_match: Annotated[
        str | None,
        Header(
            pattern=_PATTERN,
            description="The upload's `revision`, which is its `ETag` too, or `*` for any: a change that somebody else "
            "made meanwhile is then not overwritten unseen.",
            examples=['"3"'],
        ),
    ] = None,
) -> Condition | None:
    if if_match is None:
        return None
    return Condition(None if "*" in if_match else frozenset(map(int, re.findall("[0-9]+", if_match))))


async def _needed_condition(condition: Annotated[Condition | None, Depends(_condition)]) -> Condition:
    if condition is None:
        raise Problem(ProblemCode.REVISION_NEEDED, "Send the header If-Match with the upload's revision, or with *.")
    return condition


ConditionDep = Annotated[Condition | None, Depends(_condition)]
NeededConditionDep = Annotated[Condition, Depends(_needed_condition)]
