"""Writes a file of everything that a real one has: clean rows, odd ones, repeated emails, and rows bad in every way.

The same seed gives the same file. What is to become of it is for `tests.support.reference` to say, not for this.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Final, NamedTuple

from shared.errors import RowCode
from shared.rows.fields import FIELDS

# What stands in a row of its own making; the columns of all other fields come before these.
_OWN: Final = ("employee_name", "company_name", "mobile_no", "email", "badge")
_OTHER_FIELDS: Final = tuple(field for field in FIELDS if field.name not in _OWN)
HEADER: Final = ",".join([*(field.name for field in _OTHER_FIELDS), *_OWN]) + "\n"
BLANK_ROW: Final = "," * HEADER.count(",") + "\n"
LINES_A_WRITE: Final = 10_000
# A record may have 256 Ki characters; these are rare, or a large file would consist of them.
TOO_LONG_CHARACTERS: Final = 270_000
TOO_LONG_EVERY: Final = 200
ODD_SHARE: Final = 0.03
# Written as the byte E9, which is no UTF-8: an é in cp1252, say.
ODD_BYTE: Final = "\udce9"
BLANK_SHARE: Final = 0.005

_FIRST: Final = ("Aiko", "Bjørn", "Chiara", "Dmitri", "Eun-ji", "Fatoumata", "Gül", "Håkon", "Ifeoma", "Søren", "李娜")
_LAST: Final = (
    "Achterberg",
    "Boateng",
    "Castellanos",
    "D'Angelo",
    "Evangelidis",
    "Fjeldstad",
    "Gutiérrez",
    "Hlongwane",
)
_FIRMS: Final = ("Pelican Freight", "Quarry & Daughters", "Tidewater Labs", "Moonrakers", "Żubr Steel", "Cobalt Yard")


class Person(NamedTuple):
    """A row's cells, as they may stand unquoted in a file."""

    name: str
    company: str
    mobile: str
    email: str
    badge: str


def person(number: int) -> Person:
    """Who a row is about: a function of its number alone, so that any can be repeated without having been kept."""
    return Person(
        f"{_FIRST[number % 11]} {_LAST[number // 11 % 8]} {number:x}",
        f"{_FIRMS[number // 7 % 6]} {number % 97}",
        f"+{30 + number % 60} {number * 7919 % 1_000_000_007:010d}",
        f"{_LAST[number // 11 % 8].encode('ascii', 'ignore').decode()}.{number}@firm{number % 97}.example",
        f"B{number}",
    )


_PERSON_FIELD: Final = {"employee_name": "name", "company_name": "company", "mobile_no": "mobile"}
_NO_NUMBER: Final = ("", "-", "n/a", "None", "NULL", "unknown", "\u2013")


def _line(person: Person) -> str:
    return ",".join(person) + "\n"


def other_cells(number: int) -> str:
    """What a row begins with; a field that may be empty is, one in three times."""
    cells = ["" if field.may_be_empty and number % 3 == 0 else field.example for field in _OTHER_FIELDS]
    return "".join(f"{cell}," for cell in cells)


# Accepted, but not as plainly as the rest.
_ODD: Final[tuple[Callable[[Person], str], ...]] = (
    lambda p: f'{p.name},"{p.company}\nSecond Floor",{p.mobile},{p.email},{p.badge}\n',
    lambda p: f'"{p.name}","{p.company}, ""The"" Works",{p.mobile},{p.email},"{p.badge}"\r\n',
    lambda p: f"  {p.name}\t,{p.company}   Ltd ,({p.mobile[1:3]}) {p.mobile[4:7]}.{p.mobile[7:]}, {p.email} ,\n",
    lambda p: f"{p.name},{p.company},{p.mobile},{p.email},{p.badge},,\n",
    lambda p: f"{p.name},'={p.company},{p.mobile},{p.email},'@{p.badge}\n",
    lambda p: f"{p.name},{p.company},{p.mobile},{p.email}\n",
    lambda p: f"\ufeff{p.name}\u200b,'4{p.company},'{p.mobile},Some One <{p.email}>,{p.badge}\n",
    lambda p: f'="{p.name}",{p.company}e\u0301,"=""{p.mobile}""",mailto:{p.email},{p.badge}\n',
    lambda p: f"{p.name},{p.company},00{p.mobile[1:3]} (0)1{p.mobile[5:]},{p.email},{p.badge}\n",
    lambda p: f'{p.name},"\r\n{p.company}\r\n\r\n",{p.mobile},{p.email},"a\nb"\n',
)

_BAD: Final[dict[RowCode, tuple[Callable[[Person], str], ...]]] = {
    RowCode.WRONG_COLUMN_COUNT: (
        lambda p: f"{p.name},{p.company},{p.mobile},{p.email},{p.badge},one,=two\n",
        # A comma that should stand in quotes shifts all cells behind it.
        lambda p: f"{p.name},{p.company}, Ltd,{p.mobile},{p.email},{p.badge}\n",
        lambda p: f"{p.name},,{p.mobile} x12,{p.email},{p.badge},one\n",
    ),
    RowCode.ROW_TOO_LONG: (lambda p: f"{p.name},{'x' * TOO_LONG_CHARACTERS},{p.mobile},{p.email},{p.badge}\n",),
    RowCode.MALFORMED_QUOTES: (
        lambda p: f'{p.name},"{p.company}" Ltd,{p.mobile},{p.email},{p.badge}\n',
        # It seems to go on to the next quote, wherever that is.
        lambda p: f'{p.name},"{p.company},{p.mobile},{p.email},{p.badge}\n',
        lambda p: f'{p.name},{p.company},{p.mobile},{p.email},"{p.badge} \\"two\\""\r\n',
    ),
    RowCode.MISSING_VALUE: (
        lambda p: f"{p.name},,{p.mobile},{p.email},{p.badge}\n",
        lambda p: f'" \n ",{p.company},{p.mobile},no email either,{p.badge}\n',
        lambda p: f"{p.name}\n",
        lambda p: f"{p.name},{p.company},9.19E+11\n",
        lambda p: f"{p.name},{p.company},{p.mobile},,'={p.badge}\n",
    ),
    RowCode.VALUE_TOO_LONG: (
        lambda p: f"{p.name}{' of Old' * 40},{p.company},{p.mobile},{p.email},{p.badge}\n",
        lambda p: f'{p.name},"{p.company}{", Ltd" * 50}",{p.mobile},{p.email},{p.badge}\n',
        lambda p: f"{p.name},{p.company},{p.mobile},{p.email}{'.example' * 32},{p.badge}\n",
    ),
    RowCode.CONTROL_CHARACTER: (
        lambda p: f"{p.name}\a,{p.company},{p.mobile},{p.email},{p.badge}\n",
        lambda p: f'{p.name},{p.company},"{p.mobile}\x1b",{p.email},"two\nlines"\n',
    ),
    RowCode.UNREADABLE_CHARACTER: (
        lambda p: f"{p.name},{p.company} \ufffd,{p.mobile},{p.email},{p.badge}\n",
        lambda p: f"{p.name} {ODD_BYTE},{p.company},{p.mobile},{p.email},{p.badge}\n",
    ),
    RowCode.INVALID_MOBILE: (
        lambda p: f"{p.name},{p.company},12345,{p.email},{p.badge}\n",
        lambda p: f'{p.name},"{p.company}\nAnnexe",{p.mobile} ext 4,{p.email},{p.badge}\n',
        lambda p: f"{p.name},{p.company},-{p.mobile}x,{p.email},{p.badge}\n",
        lambda p: f"{p.name},{p.company},{p.mobile} / {p.mobile[1:]},{p.email},{p.badge}\n",
        lambda p: f"{p.name},{p.company},{p.mobile}-12,{p.email} {p.email},{p.badge}\n",
    ),
    RowCode.SPREADSHEET_DAMAGE: (
        lambda p: f"{p.name},{p.company},9.19E+11,{p.email},{p.badge}\n",
        lambda p: f'{p.name},{p.company},"9,19E+11",{p.email},{p.badge}\n',
        lambda p: f"#N/A,{p.company},{p.mobile},{p.email},{p.badge}\n",
        lambda p: f"{p.name},{p.company},05/01/2024,{p.email}.,{p.badge}\n",
    ),
    RowCode.INVALID_EMAIL: (
        lambda p: f"{p.name},{p.company},{p.mobile},{p.email} at home,{p.badge}\n",
        lambda p: f"=1+1,{p.company},{p.mobile},{p.name},{p.badge}\n",
        lambda p: f"{p.name},{p.company},{p.mobile},{p.email.partition('@')[0]}@localhost,{p.badge}\n",
        lambda p: f"{p.name},{p.company},{p.mobile},{'l' * 65}{p.email},{p.badge}\n",
    ),
}


def write_mixed_file(
    path: Path,
    rows: int,
    *,
    bad_share: float = 0.01,
    duplicate_share: float = 0.05,
    seed: int = 1,
    first_person: int = 1,
    lacking: Sequence[str] = (),
) -> None:
    """Write so many rows; about these shares of them are bad or have an earlier row's email. A million take seconds.

    Files of other people, counted from `first_person`, have no email in common. A third of the rows that are as plain
    as the rest leave out some of the `lacking` fields.
    """
    people = range(first_person, first_person + rows)
    lines = _lines(people, bad_share, duplicate_share, lacking, random.Random(seed))
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(HEADER)
        while batch := "".join(islice(lines, LINES_A_WRITE)):
            file.write(batch)


def _lines(
    people: range, bad_share: float, duplicate_share: float, lacking: Sequence[str], chance: random.Random
) -> Iterator[str]:
    bad = _bad_kinds()
    odd = cycle(_ODD)
    for number in people:
        draw = chance.random()
        start = other_cells(number)
        if draw < bad_share:
            yield start + next(bad)(person(number))
        elif draw < bad_share + duplicate_share and number > people.start:
            yield start + _line(_without_some(_repeated(number, people.start, chance), number, lacking))
        elif draw > 1 - ODD_SHARE:
            yield start + next(odd)(person(number))
        elif draw > 1 - ODD_SHARE - BLANK_SHARE:
            yield (
                chance.choice(("\n", " \t \n", "\r\n\n", BLANK_ROW, '"",' + BLANK_ROW)) + start + _line(person(number))
            )
        else:
            yield start + _line(_without_some(person(number), number, lacking))


def _without_some(whole: Person, number: int, lacking: Sequence[str]) -> Person:
    """By the number alone, so that the chances of the rest are those of a file in which nothing lacks."""
    if not lacking or number % 3:
        return whole
    left_out = [name for bit, name in enumerate(lacking) if number // 3 >> bit & 1]
    ways = {"employee_name": "", "company_name": ("", " ")[number % 2], "mobile_no": _NO_NUMBER[number % 7]}
    cells = {_PERSON_FIELD[name]: ways[name] for name in left_out}
    return whole._replace(**cells)


def _bad_kinds() -> Iterator[Callable[[Person], str]]:
    """Every kind in turn, so that a file of a few hundred bad rows has them all."""
    too_long = _BAD[RowCode.ROW_TOO_LONG][0]
    kinds = cycle([kind for code, kinds in _BAD.items() if code is not RowCode.ROW_TOO_LONG for kind in kinds])
    while True:
        yield too_long
        yield from islice(kinds, TOO_LONG_EVERY)


def _repeated(number: int, first: int, chance: random.Random) -> Person:
    """A new person with the email of an earlier row: a near one (the same chunk) or any; spelt as it was, or not."""
    earliest = max(first, number - 20) if chance.random() < 0.5 else first
    email = person(chance.randrange(earliest, number)).email
    return person(number)._replace(email=chance.choice((email, email.upper(), email.lower(), email.title())))
