"""Whose absence from a file means that they have left, and when too many are absent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.errors import FileCode, FileProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL: Final = "all"


def in_scope(company: str, scope: str) -> str:
    """A condition on two expressions. Both are in NFC; the case of letters does not count, as in searches."""
    return f"(CAST({scope} AS text) = '{ALL}' OR lower({company}) = lower(CAST({scope} AS text)))"


# Of employees `e`, those of the company `:scope`.
IN_SCOPE: Final = in_scope("e.company_name", ":scope")


class Absence(NamedTuple):
    """What was found when all rows were in: how many employees the scope had, how many of them the file lacks, how many
    may be lacking, and how many rows have no email that can be read. `as_stored` has the names.
    """

    in_scope: int
    absent: int
    at_most: int
    unreadable_rows: int

    @classmethod
    def of(cls, stored: Mapping[str, int]) -> Absence:
        return cls(stored["inScope"], stored["absent"], stored["atMost"], stored["unreadableRows"])

    def as_stored(self) -> dict[str, int]:
        return {
            "inScope": self.in_scope,
            "absent": self.absent,
            "atMost": self.at_most,
            "unreadableRows": self.unreadable_rows,
        }

    @property
    def deactivated(self) -> int:
        return 0 if self.problem else self.absent

    @property
    def problem(self) -> FileProblem | None:
        """Why nobody is marked."""
        if self.unreadable_rows:
            return FileProblem(
                FileCode.ABSENT_UNCLEAR,
                f"Of {self.unreadable_rows} rejected rows the email cannot be read, so nobody can say whether they are "
                f"among the {self.absent} employees that the file lacks, and nobody was deactivated. Rows that are in "
                "stay in: correct or remove those rows, and upload the whole file again.",
            )
        if self.absent > self.at_most:
            return FileProblem(
                FileCode.TOO_MANY_ABSENT,
                f"The file lacks {self.absent} of {self.in_scope} employees, more than the {self.at_most} that "
                "absentAtMost allows, so nobody was deactivated. Rows that are in stay in. If the file is whole, "
                "upload it again with a larger absentAtMost.",
            )
        return None


def most_absent(at_most: str, in_scope: int) -> int:
    """`at_most` is a count, or a share such as `10%`; half a person is nobody."""
    if at_most.endswith("%"):
        return int(in_scope * Decimal(at_most[:-1]) / 100)
    return int(at_most)
