"""`make mutants`: takes out one safeguard at a time, in a copy of the checkout, and sees that the tests notice.

First the same tests have to pass on the code as it is. The result is written into docs/reliability.md; the status
is 1 when a mutant survived or no longer fits the code.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.mutants.mutants import MUTANTS, Mutant
from tests.support.document_passages import replace_passage
from tests.support.servers import CHECKOUT
from tests.support.tree_copy import copy_tree, run_tests

TESTS_FAILED: Final = 1
PATIENCE_SECONDS: Final = 600
DOCUMENT: Final = CHECKOUT / "docs" / "reliability.md"


def main() -> int:
    if (status := _unchanged()) != 0:
        print("the tests fail on the code as it is: nothing to be learnt from mutants")
        return status
    lines, survived = ["| safeguard taken out | caught by |", "| --- | --- |"], 0
    for mutant in MUTANTS:
        caught_by = _catch(mutant)
        survived += not caught_by
        shown = ", ".join(f"`{test}`" for test in caught_by[:3]) or "**nothing**"
        more = f" and {len(caught_by) - 3} more" if len(caught_by) > 3 else ""
        lines.append(f"| {mutant.safeguard} | {shown}{more} |")
        print(f"{'survived' if not caught_by else 'caught  '}  {mutant.safeguard}: {shown}{more}", flush=True)
    replace_passage(DOCUMENT, "mutants", "\n".join(lines))
    return 1 if survived else 0


def _unchanged() -> int:
    statuses = []
    for tests in dict.fromkeys(mutant.tests for mutant in MUTANTS):
        outcome = run_tests(CHECKOUT, tests, timeout_seconds=PATIENCE_SECONDS)
        statuses.append(outcome.returncode)
        if outcome.returncode != 0:
            print(outcome.stdout[-3000:])
    return max(statuses)


def _catch(mutant: Mutant) -> list[str]:
    """The names of the tests that failed on it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_tree(Path(folder) / "mutant")
        for change in mutant.changes:
            change.apply(copy)
        outcome = run_tests(copy, mutant.tests, timeout_seconds=PATIENCE_SECONDS)
    if outcome.returncode not in (0, TESTS_FAILED):
        raise RuntimeError(f"pytest could not run the tests of {mutant.safeguard!r}:\n{outcome.stdout[-3000:]}")
    return list(dict.fromkeys(re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", outcome.stdout, re.MULTILINE)))


if __name__ == "__main__":
    sys.exit(main())
