"""Employees as rows of the table, and the search over them as plain Python says it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from shared.rows.fields import FIELD_NAMES, FIELDS


class Person(NamedTuple):
    name: str
    email: str
    company: str = "Initech"
    mobile: str = "9876543210"
    upload_sequence: int = 0

    def values(self) -> tuple[str | None, ...]:
        """In the order of the fields; of those that a person here has none of, null where the table takes it."""
        known = {
            "employee_name": self.name,
            "company_name": self.company,
            "mobile_no": self.mobile,
            "email": self.email,
        }
        return tuple(known.get(field.name, None if field.may_be_empty else field.stored_example) for field in FIELDS)


async def insert_employees(database: asyncpg.Connection, people: Sequence[Person]) -> None:
    """In this order, with the total kept, and the planner told."""
    await database.copy_records_to_table(
        "employees",
        records=[(*each.values(), each.upload_sequence, number, False) for number, each in enumerate(people, 1)],
        columns=[*FIELD_NAMES, "upload_sequence", "row_number", "by_update"],
    )
    await database.execute("UPDATE employee_totals SET total = total + $1 WHERE slot = 7", len(people))
    await database.execute("VACUUM ANALYZE employees")


def is_vague(term: str) -> bool:
    """Whether it is refused: no letter or digit but a lone first one, before more than one other character."""
    wanted = term.strip()
    at = [place for place, each in enumerate(wanted) if is_letter_or_digit(each)]
    return not at or (at == [0] and len(wanted) > 2)


def is_letter_or_digit(character: str) -> bool:
    return unicodedata.category(character) in {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl"}


def matches(term: str, person: Person) -> bool:
    """The contract, word for word: contains, whatever the case; one or two characters at the start of words."""
    wanted = _lower(term.strip())
    fields = (_lower(person.name), _lower(person.email))
    if len(wanted) <= 2 and is_letter_or_digit(wanted[0]):
        return any(_starts_a_word(wanted, field) for field in fields)
    return any(wanted in field for field in fields)


def _starts_a_word(wanted: str, field: str) -> bool:
    return any(
        field.startswith(wanted, place)
        and (place == 0 or (field[place - 1].isascii() and not field[place - 1].isalnum()))
        for place in range(len(field))
    )


def _lower(text: str) -> str:
    """A character at a time, as Postgres does it."""
    return "".join(each.lower() if len(each.lower()) == 1 else each for each in text)
