"""A field is declared once: the page's steps, done in a copy of the tree, are all that a new column needs."""

from __future__ import annotations

import filecmp
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.adding_a_column import add_a_column
from tests.support.servers import CHECKOUT
from tests.support.tree_copy import copy_tree, run_tests

pytestmark = pytest.mark.slow

FILES_AT_MOST = 5
# A busy machine needs several times what a quiet one does, which is about a minute.
UNIT_TESTS_SECONDS = 1200


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """With one column more."""
    copy = copy_tree(tmp_path / "tree")
    add_a_column(copy)
    return copy


def test_column_is_added_in_five_files_at_most(tree: Path) -> None:
    files = [path.relative_to(tree) for path in tree.rglob("*") if path.is_file()]
    touched = [
        path
        for path in files
        if not (CHECKOUT / path).exists() or not filecmp.cmp(CHECKOUT / path, tree / path, shallow=False)
    ]
    assert 0 < len(touched) <= FILES_AT_MOST, sorted(map(str, touched))


def test_what_follows_from_the_declaration_has_the_new_field(tree: Path) -> None:
    """In a process of its own, whose modules are the copy's."""
    script = """
from api_service.employees.documents import EmployeeDocument
from api_service.employees import export, statements
from api_service.uploads.templates import template_csv
from consumer_service import employee_writer
from producer_service.requests.routes import EmployeeBody
from shared.database.tables import employees
from shared.rows.columns import find_columns, layout_of_sources
from shared.rows.employee_rows import check_rows
from shared.rows.fields import FIELD_NAMES, REQUIRED_NAMES
from shared.rows.layout import layout_of_names

assert FIELD_NAMES == (*REQUIRED_NAMES, "department")
assert employees.c.department.nullable
assert find_columns([*REQUIRED_NAMES, "Dept."])["department"].columns == (len(REQUIRED_NAMES),)
assert layout_of_sources(REQUIRED_NAMES, find_columns(REQUIRED_NAMES)) == layout_of_names(REQUIRED_NAMES)
good = ["Ada", "Engines", "+441234567890", "ada@engines.example"]
assert check_rows([[*good, "Research"]], layout_of_names(FIELD_NAMES)).employees == [(*good, "Research")]
assert check_rows([good], layout_of_names(REQUIRED_NAMES)).employees == [(*good, "")]
[(_, [fault])] = check_rows([[*good, "x" * 101]], layout_of_names(FIELD_NAMES)).faults
assert (fault.code, fault.field) == ("value_too_long", "department")
assert ":department" in str(employee_writer._SKIP) and "department = CASE" in str(employee_writer._SKIP)
assert "department" in employee_writer.COPIED
assert "department" in statements.ONE and "department" in export.COLUMNS
assert template_csv().decode().splitlines()[0].split(",") == list(FIELD_NAMES)
assert {"type": "null"} in EmployeeDocument.model_json_schema()["properties"]["department"]["anyOf"]
assert EmployeeBody(employee_name="a", company_name="b", mobile_no="c", email="d").department == ""
"""
    outcome = subprocess.run([sys.executable, "-c", script], cwd=tree, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.long
def test_unit_tests_pass_with_the_new_column(tree: Path) -> None:
    arguments = ["-x", "-n", "2", "tests/unit", f"--ignore=tests/unit/{Path(__file__).name}"]
    outcome = run_tests(tree, arguments, timeout_seconds=UNIT_TESTS_SECONDS)
    assert outcome.returncode == 0, outcome.stdout[-5000:]
