"""FastAPI hands no request to OpenTelemetry: its spans would hold what people search for (P8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry import trace

from api_service.app import create_app as create_api
from consumer_service.app import create_app as create_consumer
from producer_service.app import create_app as create_producer


class _Recorder(trace.NoOpTracer):
    def __init__(self) -> None:
        self.started: list[str] = []

    def start_span(self, name: str, *arguments: Any, **options: Any) -> trace.Span:
        self.started.append(name)
        return super().start_span(name, *arguments, **options)


class _Provider(trace.TracerProvider):
    def __init__(self) -> None:
        self.tracer = _Recorder()

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return self.tracer


@pytest.mark.parametrize("create_app", [create_api, create_producer, create_consumer])
async def test_no_span_is_started_where_a_tracer_is_configured(
    create_app: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", "postgresql://nobody@localhost/nothing")
    monkeypatch.setenv("ROLLCALL_AMQP_URL", "amqp://localhost/")
    monkeypatch.setenv("ROLLCALL_UPLOAD_STORE_URL", tmp_path.as_uri())
    provider = _Provider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    transport = httpx2.ASGITransport(create_app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/nothing?searchTerm=secret")

    assert answer.status_code == 404
    assert provider.tracer.started == []
