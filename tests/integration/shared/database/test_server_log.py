"""An operator of a database of their own learns that its log quotes employees, and how to end it."""

from __future__ import annotations

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from shared.database import server_log
from shared.database.server_log import warn_if_it_quotes_rows
from tests.support import servers as test_servers
from tests.support.pipeline import consumer_settings, wide_engine


@pytest.mark.parametrize(("verbosity", "warned"), [("terse", False), ("default", True), ("verbose", True)])
async def test_service_warns_of_a_database_whose_log_is_not_terse(
    verbosity: str, warned: bool, database_url: str, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that was used under another test's configuration keeps it, and nothing of it is captured.
    monkeypatch.setattr(server_log, "log", structlog.get_logger())
    name = database_url.rpartition("/")[2]
    await test_servers.execute(database_url, f"ALTER DATABASE \"{name}\" SET log_error_verbosity = '{verbosity}'")
    engine: AsyncEngine = wide_engine(consumer_settings(database_url, amqp_url))

    with capture_logs() as logs:
        await warn_if_it_quotes_rows(engine)

    await engine.dispose()
    assert any("SET log_error_verbosity = terse" in str(line.get("remedy")) for line in logs) is warned
