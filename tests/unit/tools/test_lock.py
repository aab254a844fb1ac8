"""The locks say what pyproject.toml asks for, and nothing about the machine that they were compiled on."""

from __future__ import annotations

import re
import tomllib

import pytest

from deploy.checkout import CHECKOUT
from tools.lock import LOCKS

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _asked(extra: str) -> set[str]:
    names = {_normal(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in PROJECT["optional-dependencies"][extra]}
    return names - {"rollcall"}


def _locked(lock: str) -> set[str]:
    return {
        _normal(name)
        for name in re.findall(r"^([A-Za-z0-9._-]+)==", (CHECKOUT / "requirements" / f"{lock}.txt").read_text(), re.M)
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_all_that_its_extras_ask_for(lock: str) -> None:
    always = {_normal(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in PROJECT["dependencies"]}
    asked = always.union(*(_asked(extra) for extra in LOCKS[lock]))
    assert asked - _locked(lock) == set(), "run `make lock`"


@pytest.mark.parametrize("lock", [*LOCKS, "client", "bench", "guide", "uv"])
def test_a_lock_names_no_address_and_has_a_hash_for_each_package(lock: str) -> None:
    text = (CHECKOUT / "requirements" / f"{lock}.txt").read_text()
    assert "://" not in text
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]:
        assert "--hash=sha256:" in block, block


def test_what_runs_has_the_versions_that_are_tested() -> None:
    def versions(lock: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (CHECKOUT / "requirements" / f"{lock}.txt").read_text(), re.M))

    tested = versions("dev")
    for lock in (*LOCKS, "client"):
        assert versions(lock) <= tested
