"""Writes a sample file of employees, invented, the same for the same seed, a known share of them bad or repeated."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

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
HEADER = "employee_name,company_name,mobile_no,email\n"
ROWS_A_WRITE = 10_000
# Each with the code that its row is to be refused with.
BAD_ROWS = {
    "missing_value": "{name},,{mobile},{email}",
    "invalid_email": "{name},{company},{mobile},{email} at home",
    "invalid_mobile": "{name},{company},extension 12,{email}",
    "spreadsheet_damage": "{name},{company},9.19E+11,{email}",
    "wrong_column_count": "{name},{company},{mobile}",
    "value_too_long": "{name}{long},{company},{mobile},{email}",
    "control_character": "{name}\a,{company},{mobile},{email}",
}


@dataclass
class Sample:
    """What was written: `rows` in all, of which some are bad (code → count) and some repeat an earlier email."""

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
        file.write(HEADER)
        while batch := list(islice(lines, ROWS_A_WRITE)):
            file.write("".join(batch))
    return sample


def _lines(sample: Sample, rows: int, bad_share: float, duplicate_share: float, chance: random.Random) -> Iterator[str]:
    accepted: list[int] = []  # of which rows the email has been seen; only kept to repeat some
    codes = list(BAD_ROWS)
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


def _cells(number: int) -> tuple[str, str, str, str]:
    """The row with this number: a function of it alone, so that any row can be written again."""
    first, first_ascii = FIRST_NAMES[number % len(FIRST_NAMES)]
    last, last_ascii = LAST_NAMES[number // len(FIRST_NAMES) % len(LAST_NAMES)]
    company, domain = COMPANIES[number * 7 % len(COMPANIES)]
    mobile = f"{COUNTRY_CODES[number % len(COUNTRY_CODES)]} {number * 7919 % 1_000_000_000:09d}"
    return f"{first} {last}", company, mobile, f"{first_ascii}.{last_ascii}.{number}@{domain}"


def _line(number: int) -> str:
    return ",".join(_cells(number)) + "\n"


def _bad_line(code: str, number: int) -> str:
    name, company, mobile, email = _cells(number)
    pattern = BAD_ROWS[code]
    return pattern.format(name=name, company=company, mobile=mobile, email=email, long=" the Elder" * 20) + "\n"
