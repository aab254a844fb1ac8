"""Writes a sample file of employees, invented, the same for the same seed, a known share of them bad or repeated."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from shared.rows.fields import FIELD_NAMES, FIELDS, Field

# As displayed, and as an email has it.
FIRST_NAMES = [
    ("Ada", "ada"), ("Bram", "bram"), ("Chidi", "chidi"), ("Dunja", "dunja"), ("Élodie", "elodie"), ("Farid", "farid"),
    ("Greta", "greta"), ("Hiroko", "hiroko"), ("Ines", "ines"), ("Jörg", "joerg"), ("Kavya", "kavya"), ("Lars", "lars"),
    ("Małgorzata", "malgorzata"), ("Nadia", "nadia"), ("Oisín", "oisin"), ("Priya", "priya"), ("Quentin", "quentin"),
    ("Rosa", "rosa"), ("Søren", "soren"), ("Thandiwe", "thandiwe"), ("Uma", "uma"), ("Viktor", "viktor"),
    ("Wren", "wren"), ("Ximena", "ximena"), ("Yusuf", "yusuf"), ("Zoë", "zoe"), ("美咲", "misaki"),
]  # fmt: skip
LAST_NAMES = [
    ("Abendroth", "abendroth"), ("Bakshi", "bakshi"), ("Calloway", "calloway"), ("D'Amico", "damico"),
    ("Eriksson", "eriksson"), ("Fonseca", "fonseca"), ("Grünwald", "gruenwald"), ("Haddad", "haddad"),
    ("Ito", "ito"), ("Jankowski", "jankowski"), ("Kuznetsova", "kuznetsova"), ("Lindqvist", "lindqvist"),
    ("Mbeki", "mbeki"), ("Nakamura", "nakamura"), ("O'Rourke", "orourke"), ("Pereira", "pereira"),
    ("Quispe", "quispe"), ("Rao", "rao"), ("Sandoval", "sandoval"), ("Tremblay", "tremblay"), ("Umarov", "umarov"),
    ("van der Berg", "vanderberg"), ("Weiß", "weiss"), ("Yılmaz", "yilmaz"), ("Zieliński", "zielinski"),
]  # fmt: skip
# As the file has it (quoted where a comma or a quote demands it), and the domain.
COMPANIES = [
    ("Northwind Optics", "northwind-optics.example"),
    ('"Kettle, Byrne & Sons"', "kettle-byrne.example"),
    ("Blue Heron Logistics", "blueheron.example"),
    ("Okavango Mining", "okavango.example"),
    ('"The ""Daily"" Press"', "daily-press.example"),
    ("Sturmvogel GmbH", "sturmvogel.example"),
    ("Sakura Robotics", "sakura-robotics.example"),
    ("Andes Botánica", "andes-botanica.example"),
]
COUNTRY_CODES = ["+1", "+31", "+44", "+49", "+81", "+91", "+234"]
ROWS_A_WRITE = 10_000
# One row in so many lacks a field that may be empty.
EMPTY_EVERY = 4
# Each with the code that its row is to be refused with, and what is done to one of its cells.
BAD_CELLS: dict[str, tuple[str, str]] = {
    "missing_value": ("company_name", ""),
    "invalid_email": ("email", "{cell} at home"),
    "invalid_mobile": ("mobile_no", "extension 12"),
    "spreadsheet_damage": ("mobile_no", "9.19E+11"),
    "wrong_column_count": (FIELD_NAMES[-1], "{cell},surplus"),
    "value_too_long": ("employee_name", "{cell}{long}"),
    "control_character": ("employee_name", "{cell}\a"),
}


@dataclass
class Sample:
    """A written sample: `rows` in all, of which some are bad (code → count) and some repeat an earlier email."""

    rows: int = 0
    duplicates: int = 0
    bad: Counter[str] = field(default_factory=Counter)

    @property
    def bad_rows(self) -> int:
        return self.bad.total()


def write_sample(path: Path, rows: int, bad_share: float = 0.01, seed: int = 1, duplicate_share: float = 0.0) -> Sample:
    """Write `rows` rows, about these shares of them bad or with an earlier row's email. A million takes seconds."""
    sample = Sample()
    lines = _lines(sample, rows, bad_share, duplicate_share, random.Random(seed))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(FIELD_NAMES) + "\n")
        while batch := list(islice(lines, ROWS_A_WRITE)):
            file.write("".join(batch))
    return sample


def _lines(sample: Sample, rows: int, bad_share: float, duplicate_share: float, chance: random.Random) -> Iterator[str]:
    accepted: list[int] = []  # of which rows the email has been seen; only kept to repeat some
    codes = list(BAD_CELLS)
    for number in range(1, rows + 1):
        sample.rows += 1
        draw = chance.random()
        if draw < bad_share:
            code = chance.choice(codes)
            sample.bad[code] += 1
            yield _bad_line(code, number)
        elif draw < bad_share + duplicate_share and accepted:
            sample.duplicates += 1
            yield _line(chance.choice(accepted))
        else:
            if duplicate_share:
                accepted.append(number)
            yield _line(number)


def _cells(number: int) -> list[str]:
    """The row with this number: a function of it alone, so that any row can be written again."""
    first, first_ascii = FIRST_NAMES[number % len(FIRST_NAMES)]
    last, last_ascii = LAST_NAMES[number // len(FIRST_NAMES) % len(LAST_NAMES)]
    company, domain = COMPANIES[number * 7 % len(COMPANIES)]
    known = {
        "employee_name": f"{first} {last}",
        "company_name": company,
        "mobile_no": f"{COUNTRY_CODES[number % len(COUNTRY_CODES)]} {number * 7919 % 1_000_000_000:09d}",
        "email": f"{first_ascii}.{last_ascii}.{number}@{domain}",
    }
    return [known[field.name] if field.name in known else _other_cell(field, number) for field in FIELDS]


def _other_cell(field: Field, number: int) -> str:
    return "" if field.may_be_empty and number % EMPTY_EVERY == 0 else field.example


def _line(number: int) -> str:
    return ",".join(_cells(number)) + "\n"


def _bad_line(code: str, number: int) -> str:
    cells = _cells(number)
    name, pattern = BAD_CELLS[code]
    at = FIELD_NAMES.index(name)
    cells[at] = pattern.format(cell=cells[at], long=" the Elder" * 20)
    return ",".join(cells) + "\n"
