"""Address and key: what is said wins over the environment, that over the profile, and no key goes elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollcall.command.profiles import BadConfig, Target, config_path, find_target

CONFIG = """
profile = "work"

[profiles.work]
url = "https://work.example"
api_key = "rc_work"
ca_file = "/etc/work.pem"

[profiles.home]
url = "http://home.example"
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("URL", "API_KEY", "CA_FILE", "PROFILE"):
        monkeypatch.delenv(f"ROLLCALL_{name}", raising=False)
    path = config_path()
    path.parent.mkdir()
    path.write_text(CONFIG)
    return path


def found(url: str | None = None, api_key: str | None = None, profile: str | None = None) -> Target:
    return find_target(url=url, api_key=api_key, profile=profile)


def test_profile_is_the_one_that_is_said_or_the_files_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found() == Target("https://work.example", "rc_work", "/etc/work.pem")
    assert found(profile="home") == Target("http://home.example")
    monkeypatch.setenv("ROLLCALL_PROFILE", "home")
    assert found().url == "http://home.example"


def test_options_win_over_the_environment_and_that_over_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_API_KEY", "rc_environment")
    assert found().api_key == "rc_environment"
    assert found(api_key="rc_said").api_key == "rc_said"
    monkeypatch.setenv("ROLLCALL_URL", "http://environment.example")
    assert (found().url, found(url="http://said.example").url) == ("http://environment.example", "http://said.example")


def test_key_of_a_profile_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(url="http://elsewhere.example").api_key is None
    monkeypatch.setenv("ROLLCALL_URL", "http://elsewhere.example")
    assert found().api_key is None
    assert found(url="https://work.example").api_key == "rc_work"


def test_without_a_file_there_is_nothing_to_say(config: Path) -> None:
    config.unlink()
    assert found() == Target()
    with pytest.raises(BadConfig, match="no profile work"):
        found(profile="work")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("profile = ", "cannot be read"),
        ('profile = "nobody"', "no profile nobody"),
        ('profile = "a"\n[profiles.a]\naddress = "x"', "unknown address"),
        ('profile = "a"\n[profiles.a]\nurl = 8000', "url of profile a must be a text"),
        ('profile = "a"\nprofiles = 7', "no profile a"),
    ],
)
def test_file_that_cannot_be_used_says_why(config: Path, text: str, complaint: str) -> None:
    config.write_text(text)
    with pytest.raises(BadConfig, match=complaint) as refused:
        found()
    assert "It looks like this" in str(refused.value)


def test_key_is_in_nobodys_traceback() -> None:
    assert "rc_work" not in repr(found())
