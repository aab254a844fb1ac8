"""Columns shuffled, renamed, in parts, below titles, in each language: the same rows as those of the plain file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import FileCode, FileProblem
from shared.rows.column_names import TABLES, ColumnNames, folded
from shared.rows.employee_row import check_row
from shared.rows.fields import FIELDS, REQUIRED_NAMES
from shared.rows.format_judge import FormatOptions
from shared.rows.layout import layout_of_names
from tests.support.csv_files import judge, read
from tests.support.reference_header import Unclear, find_header, plain

LANGUAGES = pytest.mark.parametrize("table", TABLES, ids=[table.__name__.rpartition(".")[2] for table in TABLES])
SPELLINGS: list[Callable[[str], str]] = [str, str.upper, str.title, lambda name: f" {name}*", lambda name: f"{name}:"]
NAME, *OTHERS = (field for field in FIELDS if not field.is_optional)


class Person(NamedTuple):
    given: str
    family: str
    company: str
    mobile: str
    email: str

    @property
    def plain_row(self) -> list[str]:
        return [f"{self.given} {self.family}", self.company, self.mobile, self.email]


PEOPLE = [
    Person("Maria", "Rossi", "Olivetti Due", "+390655500101", "m.rossi@b.example"),
    Person("Zoë", "van Dijk", "Blauw, BV", "+31205550102", "zoe@b.example"),
    Person("Łukasz", "Żak", "Dąb 3 S.A.", "+48225550103", "zak@b.example"),
    Person("Jean-Luc", "D'Arc", 'L"Or', "+33155550104", "jl@b.example"),
]


def names_of(table: ModuleType, kinds: Sequence[str]) -> list[str]:
    return [name for kind in kinds for name in table.NAMES.get(kind, ())]


def written(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def assert_people_are_read(content: str, options: FormatOptions | None = None) -> None:
    found = judge(content.encode(), options)
    rows = [check_row(record.cells, found.layout) for record in read(content.encode(), options)]
    plain_layout = layout_of_names(REQUIRED_NAMES)
    assert rows == [check_row(person.plain_row, plain_layout) for person in PEOPLE]


def assert_as_the_reference_finds(content: str) -> None:
    found, wanted = judge(content.encode()), find_header(content)
    assert (found.delimiter, list(found.columns), found.first_row_line - 1) == wanted[:3]
    assert found.layout.columns == wanted.places


@st.composite
def files(draw: st.DrawFn, table: ModuleType) -> str:
    """The people under names of this language, where it has any, in a file that somebody may export."""
    columns: dict[str, list[str]] = {}
    has_parts = all(names_of(table, part.kinds) for part in NAME.parts if part.is_needed)
    if has_parts and draw(st.booleans()):
        given, family = (names_of(table, part.kinds[:1]) for part in NAME.parts if part.is_needed)
        columns[draw(st.sampled_from(given))] = [person.given for person in PEOPLE]
        columns[draw(st.sampled_from(family))] = [person.family for person in PEOPLE]
    else:
        whole = names_of(table, (*NAME.kinds, *NAME.half_kinds)) or [NAME.name]
        columns[draw(st.sampled_from(whole))] = [person.plain_row[0] for person in PEOPLE]
    for at, field in enumerate(OTHERS, 1):
        names = names_of(table, field.kinds) + names_of(table, (field.name,)) + [field.name]
        columns[draw(st.sampled_from(names))] = [person.plain_row[at] for person in PEOPLE]
    for extra in draw(st.lists(st.sampled_from(["Id", "Notes *", "", "Geburtstag", "Fax"]), unique=True)):
        columns[extra] = draw(st.lists(st.sampled_from(["", "7", "x y"]), min_size=4, max_size=4))
    order = draw(st.permutations(list(columns)))
    spelled = draw(st.sampled_from(SPELLINGS))
    delimiter = draw(st.sampled_from(",;\t|"))
    titles = draw(st.lists(st.sampled_from(["Staff list", "Generated 2026-11-01", delimiter * 3, ""]), max_size=5))
    sep = draw(st.sampled_from(["", "", f"sep={delimiter}\n"]))
    rows = [[spelled(name) for name in order], *zip(*(columns[name] for name in order), strict=True)]
    return sep + "".join(f"{title}\n" for title in titles) + written(rows, delimiter)


@pytest.mark.slow
@LANGUAGES
@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.data())
def test_a_file_in_any_language_has_the_rows_of_the_plain_one(table: ModuleType, data: st.DataObject) -> None:
    content = data.draw(files(table))
    assert_people_are_read(content)
    assert_as_the_reference_finds(content)


@LANGUAGES
@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.data())
def test_a_file_that_lacks_a_column_is_refused(table: ModuleType, data: st.DataObject) -> None:
    content = data.draw(files(table))
    wanted = find_header(content)
    lost = data.draw(st.sampled_from(sorted(place for places in wanted.places.values() for place in places)))
    lines = content.splitlines(keepends=True)
    above, below = lines[: wanted.below - 1], lines[wanted.below - 1 :]
    rows = [
        [cell for place, cell in enumerate(row) if place != lost]
        for row in csv.reader(below, delimiter=wanted.delimiter)
    ]
    with pytest.raises(FileProblem) as caught:
        judge(("".join(above) + written(rows, wanted.delimiter)).encode())
    assert caught.value.code is FileCode.MISSING_COLUMNS


@LANGUAGES
def test_every_name_of_a_table_is_known_as_its_kind_alone(table: ModuleType) -> None:
    kinds = {kind for each in TABLES for kind in each.NAMES}
    for kind, names in table.NAMES.items():
        for name in names:
            if kind == "somebody_else":
                continue
            for spelled in (name, name.upper(), name.lower(), f"*{name} "):
                assert [known for known in sorted(kinds) if ColumnNames([spelled]).of_kinds([known])] == [kind], name


def test_every_kind_of_name_is_some_fields_or_parts() -> None:
    used = {kind for field in FIELDS for kind in (field.name, *field.kinds, *field.half_kinds)}
    used |= {kind for field in FIELDS for part in field.parts for kind in part.kinds} | {"somebody_else"}
    assert {kind for table in TABLES for kind in table.NAMES} <= used


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    | st.sampled_from([n for t in TABLES for ns in t.NAMES.values() for n in ns])
)
def test_names_are_compared_as_the_reference_compares_them(name: str) -> None:
    assert folded(folded(name)) == folded(name)
    if name.isascii() or has_known_letters(name):
        assert folded(name) == plain(name)


_words = st.sampled_from(
    ["Ann", "Ben", "Lee", "Ray", "Ann Lee", "Ray, Ben", "Lee Ann", "E-1", "77", "", "-", "van Ray"]
)
_headers = st.lists(
    st.sampled_from(
        ["Name", "Employee", "Surname", "First Name", "Full name", "Middle name", "Company", "Company Name", "Mobile",
         "Phone", "Work Phone", "Email", "Work Email", "Email (private)", "Notes"]
    ),
    min_size=4,
    max_size=9,
    unique=True,
)  # fmt: skip


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=600)
@given(_headers, st.data())
def test_choices_are_those_of_the_reference(names: list[str], data: st.DataObject) -> None:
    """Cells of people and companies tell; those of mobiles and emails are there or not."""
    rows = data.draw(st.lists(st.tuples(*[_words] * len(names)), max_size=12))
    content = written([names, *rows], ",")
    try:
        wanted = find_header(content).places
    except Unclear:
        with pytest.raises(FileProblem):
            judge(content.encode(), FormatOptions(header="present"))
    else:
        assert judge(content.encode(), FormatOptions(header="present")).layout.columns == wanted


def has_known_letters(name: str) -> bool:
    return all(letter in "äöüßéèêçñáíóúãõàâôîûłżźćńśęąøœæ°º" for letter in name.lower() if not letter.isascii())
