"""Mutants have to fit the code as it is, or `make mutants` shows nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.mutants.mutants import MUTANTS, Mutant
from tests.support.servers import CHECKOUT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.safeguard)
def test_each_mutant_changes_the_code_as_it_is(mutant: Mutant, tmp_path: Path) -> None:
    for change in mutant.changes:
        copy = tmp_path / change.file
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / change.file, copy)
        change.apply(tmp_path)
        assert change.before not in copy.read_text() or change.before in change.after
