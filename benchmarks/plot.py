"""Draws results.json as an SVG: `python -m benchmarks.plot RESULTS SVG`, in the virtualenv that has matplotlib."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")
# The same figures give the same file.
mpl.rcParams["svg.hashsalt"] = "rollcall"
mpl.rcParams["axes.titlesize"] = 10

import matplotlib.pyplot as plt  # noqa: E402 - the backend has to be chosen before

OURS: Final = "#1f6f8b"
OTHERS: Final = "#b8b8b8"
PROMISED_MS: Final = 50

Medians = dict[str, float]


def main(results: Path, target: Path) -> None:
    measured = {part: _medians(each["outcome"]["figures"]) for part, each in json.loads(results.read_text()).items()}
    figure, (rates, costs, latencies) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    _draw_rates(rates, {**measured.get("pipelines", {}), **measured.get("ingest", {})})
    _draw_costs(costs, measured.get("scaling", {}))
    _draw_latencies(latencies, measured.get("listing", {}))
    figure.savefig(target, format="svg", metadata={"Date": None})
    # A text file like any other: no blanks at the ends of lines.
    target.write_text("".join(f"{line.rstrip()}\n" for line in target.read_text().splitlines()))


def _medians(figures: list[dict[str, Any]]) -> Medians:
    return {each["name"]: statistics.median(each["samples"]) for each in figures}


def _draw_rates(axes: Any, medians: Medians) -> None:
    axes.set_title("Rows a second (logarithmic)")
    ordered = sorted(medians.items(), key=lambda each: each[1])
    names = [name for name, _ in ordered]
    bars = axes.barh(names, [value for _, value in ordered], color=[OURS if n == "Rollcall" else OTHERS for n in names])
    if medians:
        axes.set_xscale("log")
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
        axes.margins(x=0.25)


def _draw_costs(axes: Any, medians: Medians) -> None:
    axes.set_title("Microseconds a row, by the rows of the file")
    for label, suffix, color in (("Rollcall", "", OURS), ("COPY", ", COPY", OTHERS)):
        points = sorted(
            (int(name.removeprefix("a row of ").removesuffix(suffix).replace(",", "")), value)
            for name, value in medians.items()
            if name.startswith("a row of ") and name.endswith("COPY") == bool(suffix)
        )
        if points:
            axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=label, color=color)
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.legend()


def _draw_latencies(axes: Any, medians: Medians) -> None:
    axes.set_title("Listing at 16 clients: p50 and p99 in ms")
    names = [name.removesuffix(": p99") for name in medians if name.endswith(": p99") and "middle" not in name]
    for share, color in (("p99", OTHERS), ("p50", OURS)):
        axes.barh(names, [medians[f"{name}: {share}"] for name in names], color=color, label=share)
    if names:
        axes.axvline(PROMISED_MS, color="black", linewidth=0.8, linestyle="--")
        axes.invert_yaxis()
        axes.legend()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
