"""Which columns are the name: one, or its parts in their order, as the first rows tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest

from shared.errors import FileCode, FileProblem
from shared.rows.column_source import ColumnSource, Why
from shared.rows.columns import find_columns
from shared.rows.record import Record
from shared.rows.sample import Sample

OTHERS = ["Company", "Phone", "Email"]


def name_of(names: Sequence[str], *rows: Sequence[str]) -> ColumnSource:
    sample = Sample(Record(number, [*row, "Acme", "123", "a@b.c"], None) for number, row in enumerate(rows, 2))
    return find_columns([*names, *OTHERS], None, sample)["employee_name"]


def asked(names: Sequence[str], *rows: Sequence[str]) -> bool:
    with pytest.raises(FileProblem) as caught:
        name_of(names, *rows)
    return caught.value.code is FileCode.AMBIGUOUS_COLUMNS


PARTS = {"First name": "Jan", "Middle name": "Piet", "Tussenvoegsel": "van", "Last name": "Dijk", "Apellido 2": "Gil"}


@pytest.mark.parametrize("order", list(permutations(range(5)))[::7])
def test_parts_are_joined_in_the_order_of_a_name_whatever_that_of_the_file(order: tuple[int, ...]) -> None:
    names = [list(PARTS)[at] for at in order]
    cells = [PARTS[name] for name in names]
    source = name_of(names, cells)
    assert " ".join(cells[at] for at in source.columns) == "Jan Piet van Dijk Gil"
    assert source.why is Why.PARTS_JOINED


@pytest.mark.parametrize(
    ("names", "row"),
    [
        (["Name", "Surname"], ["Maria", "Rossi"]),
        (["Last Name", "Name"], ["Rossi", "Maria"]),
        (["Name", "Vorname"], ["Rossi", "Maria"]),
        (["Nom", "Prénom"], ["Rossi", "Maria"]),
        (["Nome", "Cognome"], ["Maria", "Rossi"]),
        (["Apellidos", "Nombre"], ["Rossi", "Maria"]),
        (["Nome", "Apelido"], ["Maria", "Rossi"]),
        (["Naam", "Voornaam"], ["Rossi", "Maria"]),
        (["Nazwisko", "Imię"], ["Rossi", "Maria"]),
    ],
)
def test_a_name_that_is_half_of_it_is_joined_with_the_other_half(names: list[str], row: list[str]) -> None:
    source = name_of(names, row, row)
    assert " ".join(row[at] for at in source.columns) == "Maria Rossi"
    assert source.why is Why.PARTS_JOINED


def test_a_middle_name_goes_between_a_half_name_and_the_other_half() -> None:
    assert name_of(["Surname", "Middle name", "Name"], ["Rossi", "Ada", "Maria"]).columns == (2, 1, 0)


@pytest.mark.parametrize("other", ["Surname", "First name", "Last name", "Vorname"])
def test_a_name_that_contains_the_other_is_the_whole_name(other: str) -> None:
    rows = [["Maria Rossi", "Rossi" if other in ("Surname", "Last name") else "María"]] * 9 + [["Ann Lee", "Other"]]
    source = name_of(["Name", other], *rows)
    assert (source.columns, source.why, source.passed_over) == ((0,), Why.FULL_NAME, (1,))


def test_it_is_the_whole_name_in_whichever_column_it_stands() -> None:
    source = name_of(["Name", "First name"], *[["Rossi", "Rossi, Maria"], ["Lee", "Ann Lee"]])
    assert (source.columns, source.why) == ((1,), Why.FULL_NAME)


@pytest.mark.parametrize("contained", [1, 5, 8])
def test_where_some_rows_contain_it_and_some_do_not_it_is_asked(contained: int) -> None:
    rows = [["Maria Rossi", "Rossi"]] * contained + [["Maria", "Rossi"]] * (10 - contained)
    assert asked(["Name", "Surname"], *rows)


def test_parts_that_are_equal_by_chance_tell_nothing() -> None:
    rows = [["James", "James"], ["Maria", "Rossi"], ["Li", "Lin"]]
    assert name_of(["Name", "Surname"], *rows).columns == (0, 1)


def test_without_a_row_that_tells_it_is_asked() -> None:
    assert asked(["Name", "Surname"], ["Maria", ""], ["", "Rossi"])


def test_without_any_row_there_is_nothing_to_ask() -> None:
    assert name_of(["Surname", "Name"]).columns == (1, 0)


def test_a_surname_that_is_blank_leaves_the_name() -> None:
    source = name_of(["Name", "Surname"], ["Maria Rossi", ""], ["Ann Lee", "-"])
    assert (source.columns, source.why) == ((0,), Why.OTHER_IS_BLANK)


@pytest.mark.parametrize("code", ["E-1041", "1041", "DE00017"])
@pytest.mark.parametrize("other", ["First Name", "Last Name"])
def test_a_code_is_never_half_a_name(code: str, other: str) -> None:
    assert asked(["Employee", other], [code, "Anna"])
    assert asked(["Name", other], [code, "Anna"])


def test_a_code_beside_both_parts_is_passed_over() -> None:
    rows = [["E-1041", "Anna", "Blau"], ["E-1042", "Ben", "Ray"]]
    assert name_of(["Employee", "First Name", "Last Name"], *rows).columns == (1, 2)


@pytest.mark.parametrize("whole", ["Name", "Full name", "Employee", "Employee Name", "Nom complet"])
def test_a_whole_name_beside_both_parts_wins(whole: str) -> None:
    source = name_of(["First Name", "Last Name", whole], ["Anna", "Blau", "Anna M. Blau"], ["Ben", "Ray", "Ray, Ben"])
    assert (source.columns, set(source.passed_over)) == ((2,), {0, 1})


def test_a_name_that_never_has_its_parts_is_asked_about() -> None:
    assert asked(["Name", "First Name", "Last Name"], ["Acme", "Anna", "Blau"], ["Acme", "Ben", "Ray"])


def test_a_whole_name_that_is_blank_leaves_the_parts() -> None:
    assert name_of(["Full name", "First Name", "Last Name"], ["", "Anna", "Blau"]).columns == (1, 2)


def test_the_surer_name_wins() -> None:
    assert name_of(["Employee", "Name"], ["E-1", "Anna Blau"]).columns == (1,)
    assert name_of(["Name", "Full Name"], ["Anna", "Anna Blau"]).columns == (1,)
