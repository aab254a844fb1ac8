"""Fixtures for tests that look through a browser."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program. Elsewhere than in CI, which installs it, its tests are left out where there is none."""
    program = shutil.which("chromium")
    if program is None:
        message = "needs the program chromium: Debian has it as a package of this name"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return program
