"""The figures of a part as a table, for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Check, Figure, Outcome, spelled


def print_outcome(title: str, outcome: Outcome) -> None:
    print(f"\n{title}: {outcome.setup}\n")
    print(_aligned(figure_rows(outcome.figures)))
    print_checks(outcome.checks)
    print(flush=True)


def print_checks(checks: Sequence[Check]) -> None:
    if checks:
        print(f"\n{_aligned(check_rows(checks))}")


def figure_rows(figures: Sequence[Figure]) -> list[list[str]]:
    """A header, then a line for each figure."""
    return [
        ["", "median", "least", "most", ""],
        *(
            [each.name, spelled(each.median), spelled(min(each.samples)), spelled(max(each.samples)), each.unit]
            for each in figures
        ),
    ]


def check_rows(checks: Sequence[Check]) -> list[list[str]]:
    """A header, then a line for each bound."""
    return [
        ["", "is", "shall be", ""],
        *(
            [
                each.name,
                f"{spelled(each.value)} {each.unit}".rstrip(),
                f"{each.direction} {spelled(each.bound)} {each.unit}".rstrip(),
                "yes" if each.holds else "NO",
            ]
            for each in checks
        ),
    ]


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
