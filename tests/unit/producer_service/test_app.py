"""The producer's application as a whole: what every address of it does."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from producer_service.app import create_app


async def test_every_address_refuses_a_parameter_that_it_does_not_know_and_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", "postgresql://a:b@localhost/c")
    monkeypatch.setenv("ROLLCALL_AMQP_URL", "amqp://a:b@localhost/c")
    monkeypatch.setenv("ROLLCALL_UPLOAD_STORE_URL", tmp_path.as_uri())
    app = create_app()
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for path, operations in app.openapi()["paths"].items():
            for method in operations:
                answer = await client.request(method, f"{path}?wait=5", json={"messages": ["hello"]})
                assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path
                assert answer.json()["errors"][0]["location"] == "query.wait"
                assert "query.wait" in answer.json()["detail"]
        assert (await client.get("/livez")).status_code == 200
