"""The documents say what the code does: every setting, metric and code of a row, and every file that they point at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

import api_service.app
import consumer_service.metrics
import producer_service.metrics
from api_service.settings import ApiSettings
from consumer_service.settings import ConsumerSettings
from producer_service.settings import ProducerSettings
from shared.errors import RowCode
from tests.support import documentation

CHECKOUT = Path(__file__).parents[2]
OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text()
ROWS = (CHECKOUT / "docs" / "what-happens-to-my-file.md").read_text()
DOCUMENTS = sorted([CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")])
MEASURED_MODULES = (api_service.app, consumer_service.metrics, producer_service.metrics)


@pytest.mark.parametrize("settings", [ApiSettings, ProducerSettings, ConsumerSettings])
def test_every_setting_is_documented_with_its_default(
    settings: type[ApiSettings] | type[ProducerSettings] | type[ConsumerSettings],
) -> None:
    missing = [row for row in documentation.settings_rows(settings) if row not in OPERATIONS]
    assert not missing, "put these rows into docs/operations.md:\n" + "\n".join(missing)


def test_no_setting_is_documented_that_is_gone() -> None:
    known = {
        row.split("`")[1]
        for settings in (ApiSettings, ProducerSettings, ConsumerSettings)
        for row in documentation.settings_rows(settings)
    }
    # What Compose alone reads has a table of its own above.
    settings_section = OPERATIONS.partition("\n## Settings\n")[2]
    assert set(re.findall(r"^\| `(ROLLCALL_\w+)`", settings_section, re.MULTILINE)) == known


@pytest.mark.parametrize("settings", [ApiSettings, ProducerSettings, ConsumerSettings])
def test_settings_for_tests_alone_are_not_the_operators(settings: type[BaseSettings]) -> None:
    operators = documentation.operators_settings(settings)
    prefix = settings.model_config["env_prefix"]
    assert f"{prefix}FAILPOINTS" not in operators
    assert len(operators) == len(settings.model_fields) - 1


def test_every_row_code_is_documented_once() -> None:
    section = ROWS.partition("\n## Codes\n")[2]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == sorted(code.value for code in RowCode)


def test_every_metric_is_documented() -> None:
    assert MEASURED_MODULES
    missing = [row for row in documentation.metric_rows() if row not in OPERATIONS]
    assert not missing, "put these rows into docs/operations.md:\n" + "\n".join(missing)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", document.read_text())
    broken = [link for link in links if not (document.parent / link).exists()]
    assert not broken
