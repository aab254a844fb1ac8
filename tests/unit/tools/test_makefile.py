"""What the Makefile names is there, and so is what it hands on: else only whoever runs a target would find out."""

from __future__ import annotations

import os
import re
import subprocess

from deploy.checkout import CHECKOUT

MAKEFILE = (CHECKOUT / "Makefile").read_text()


def test_tests_of_the_inner_loop_are_there() -> None:
    named = re.findall(r"tests/[\w/.]+", MAKEFILE)
    assert "tests/unit" in named
    assert [path for path in named if not (CHECKOUT / path).exists()] == []


def test_every_target_is_listed_by_help() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    listed = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.M))
    assert targets - listed == {"venv"}
    assert targets == set(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[0].split())


def test_what_one_process_has_compiled_the_next_one_reads() -> None:
    show = "show: ; @echo kept=$$PYTHONDONTWRITEBYTECODE"
    shown = subprocess.run(
        ["make", "--no-print-directory", f"--eval={show}", "show"],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "kept=\n"
