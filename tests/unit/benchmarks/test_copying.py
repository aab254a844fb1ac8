"""The files that the comparisons copy."""

from __future__ import annotations

from pathlib import Path

from benchmarks.copying import split_in_two


def test_two_halves_have_every_row_once_and_the_header_each(tmp_path: Path) -> None:
    file = tmp_path / "whole.csv"
    file.write_text("header\n" + "".join(f"row {number}\n" for number in range(5)))
    first, second = split_in_two(file, 5)
    assert first.read_text().splitlines() == ["header", "row 0", "row 1"]
    assert second.read_text().splitlines() == ["header", "row 2", "row 3", "row 4"]
