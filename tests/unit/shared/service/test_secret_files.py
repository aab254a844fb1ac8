"""A secret can stand in a file that a variable names, and a wrong file is told in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer_service.settings import ConsumerSettings
from producer_service.settings import ProducerSettings

KEY = "a key that is long enough to be one"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Named by `ROLLCALL_AMQP_URL_FILE`; all else that is needed stands in the environment."""
    file = tmp_path / "amqp_url"
    for variable in ("ROLLCALL_AMQP_URL", "ROLLCALL_MESSAGE_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", "postgresql://somewhere")
    monkeypatch.setenv("ROLLCALL_UPLOAD_STORE_URL", "file:///somewhere")
    monkeypatch.setenv("ROLLCALL_AMQP_URL_FILE", str(file))
    return file


# Compose hands on an empty text for what is not set.
@pytest.mark.parametrize("environment", [{}, {"ROLLCALL_AMQP_URL": ""}])
def test_a_secret_is_read_from_its_file_without_the_line_end(
    file: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file.write_text("amqp://user:pass@host/vhost\n")
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("ROLLCALL_MESSAGE_KEY_FILE", str(tmp_path / "key"))
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    for settings in (ConsumerSettings(), ProducerSettings()):
        assert settings.amqp_url.get_secret_value() == "amqp://user:pass@host/vhost"
        assert settings.database_url.get_secret_value() == "postgresql://somewhere"
        assert settings.message_keys == [KEY]


def test_a_file_that_is_missing_empty_or_no_text_is_named(file: Path) -> None:
    for content, reason in ((None, "No such file"), (b"\n", "is empty"), (b"\xff\xfe", "not UTF-8")):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ValueError, match=f"ROLLCALL_AMQP_URL_FILE: the file .*{reason}"):
            ConsumerSettings()


def test_a_secret_in_both_places_is_refused_without_being_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("amqp://one")
    monkeypatch.setenv("ROLLCALL_AMQP_URL", "amqp://two")
    with pytest.raises(ValueError, match="both set: remove one") as refusal:
        ConsumerSettings()
    assert "amqp://" not in str(refusal.value)


def test_only_secrets_are_read_from_files(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("amqp://one")
    monkeypatch.setenv("ROLLCALL_LOG_LEVEL_FILE", str(file))
    assert ConsumerSettings().log_level == "INFO"
