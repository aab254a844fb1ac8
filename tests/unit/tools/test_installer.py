"""uv is told what pip is told, and pip does the work where uv cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import installer

LISTING = """global.cert='/etc/own-ca.pem'
global.index-url='https://first.example/simple'
install.index-url='https://second.example/simple'
:env:.timeout='9'
"""


def test_settings_of_pip_are_translated() -> None:
    settings = installer.parse_pip_settings(LISTING)
    assert installer.translated({"PATH": "/bin"}, settings) == {
        "PATH": "/bin",
        "UV_SYSTEM_CERTS": "true",
        "UV_DEFAULT_INDEX": "https://second.example/simple",
        "SSL_CERT_FILE": "/etc/own-ca.pem",
    }


def test_environment_has_more_to_say_than_the_files_of_pip() -> None:
    environment = ":env:.index-url='https://third.example/simple'\n"
    for listing in (environment + LISTING, LISTING + environment):
        assert installer.parse_pip_settings(listing)["index-url"] == "https://third.example/simple"


def test_what_is_said_to_uv_itself_wins() -> None:
    said = {"UV_DEFAULT_INDEX": "https://own.example/simple", "UV_SYSTEM_CERTS": "false"}
    assert installer.translated(said, {"index-url": "https://other.example"}) == said


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an empty virtual environment."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be had but what lies on this disk."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")


@pytest.mark.slow
@pytest.mark.usefixtures("no_index")
def test_without_uv_pip_installs(python: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("# nothing to be had\n")
    assert installer.install(python, lock)
    assert "There is no uv for this machine" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("no_index")
@pytest.mark.parametrize("line", ["nowhere==1.0", f"nowhere==1.0 --hash=sha256:{'0' * 64}"], ids=["no hash", "nowhere"])
def test_what_cannot_be_installed_is_said(python: Path, tmp_path: Path, line: str) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"{line}\n")
    assert not installer.install(python, lock)
