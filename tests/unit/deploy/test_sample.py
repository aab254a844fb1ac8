"""The sample is what it says it is: `make demo` compares the system's counts with it."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from deploy.sample import Sample, write_sample
from shared.rows.employee_row import EmployeeValues, RowFaults, check_row
from shared.rows.fields import FIELD_NAMES, KEY
from shared.rows.layout import layout_of_names


def _check_all(path: Path) -> list[EmployeeValues | RowFaults]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *records = csv.reader(file)
    assert tuple(header) == FIELD_NAMES
    return [check_row(record, layout_of_names(header)) for record in records]


def test_each_bad_row_is_refused_with_the_code_that_it_was_counted_under(tmp_path: Path) -> None:
    sample = write_sample(tmp_path / "sample.csv", rows=2_000, bad_share=0.2)
    refused = Counter(row[0].code.value for row in _check_all(tmp_path / "sample.csv") if isinstance(row, list))
    assert refused == sample.bad
    assert len(sample.bad) == 7


def test_every_other_row_is_accepted_and_each_email_stands_once_but_for_the_counted_duplicates(tmp_path: Path) -> None:
    sample = write_sample(tmp_path / "sample.csv", rows=2_000, bad_share=0.1, duplicate_share=0.1)
    emails = [row[KEY] for row in _check_all(tmp_path / "sample.csv") if not isinstance(row, list)]
    assert len(emails) == sample.rows - sample.bad_rows
    assert len(emails) - len(set(emails)) == sample.duplicates > 0


def test_the_same_seed_writes_the_same_file_and_another_one_does_not(tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    assert write_sample(first, 500, seed=7) == write_sample(second, 500, seed=7)
    write_sample(other, 500, seed=8)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_no_rows_is_a_header_alone(tmp_path: Path) -> None:
    assert write_sample(tmp_path / "sample.csv", rows=0) == Sample()
    assert _check_all(tmp_path / "sample.csv") == []
