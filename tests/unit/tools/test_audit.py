"""What pip-audit reports is told, and an answer that is none is not taken for one."""

from __future__ import annotations

from tools.audit import found_in

SKIPPED = {"name": "a", "skip_reason": "Dependency not found"}
SOUND = {"name": "b", "version": "1", "vulns": []}
BAD = {"name": "c", "version": "2", "vulns": [{"id": "GHSA-1", "fix_versions": ["2.1", "3.0"]}]}
NOT_MENDED = {"name": "d", "version": "4", "vulns": [{"id": "GHSA-2", "fix_versions": []}]}


def test_each_vulnerability_is_named_with_what_mends_it() -> None:
    assert found_in({"dependencies": [SKIPPED, SOUND, BAD, NOT_MENDED]}) == [
        "c 2: GHSA-1, mended in 2.1, 3.0",
        "d 4: GHSA-2, mended in no release",
    ]
    assert found_in({"dependencies": [SOUND]}) == []


def test_service_that_knows_of_no_package_has_not_answered() -> None:
    assert found_in({"dependencies": [SKIPPED, SKIPPED]}) is None
