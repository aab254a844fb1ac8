"""The client and the command where keys are asked for: who has none is told so, and keys are made and revoked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import rollcall
from tests.support.api import api_settings
from tests.support.command_line import call_apart
from tests.support.keys import guarded_api, make_key
from tests.support.waiting import eventually


async def test_keys_are_made_used_and_revoked(
    database_url: str, amqp_url: str, upload_store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = api_settings(database_url, amqp_url, upload_store_url)
    admin = await make_key(settings, "admin", name="boss")
    async with guarded_api(settings) as api:
        url = str(api.base_url)
        async with rollcall.AsyncClient(url, api_key=admin) as rc, rollcall.AsyncClient(url) as stranger:
            with pytest.raises(rollcall.NotAllowed):
                await stranger.status()
            assert (await rc.own_key()).name == "boss"
            created = await rc.create_key("payroll", ["read"], expires_at=datetime.now(UTC) + timedelta(days=1))
            assert (await rc.key(created.id)).scopes == ["read"]
            every_key = rc.keys()
            assert {each.name async for each in every_key} == {"boss", "payroll"}
            async with rollcall.AsyncClient(url, api_key=created.key) as payroll:
                assert [each async for each in payroll.employees()] == []
                with pytest.raises(rollcall.NotAllowed):
                    await payroll.upload(b"name\n")

        monkeypatch.setenv("ROLLCALL_URL", url)
        monkeypatch.setenv("HOME", str(tmp_path))
        called = await call_apart("uploads")
        assert (called.code, called.out) == (3, "")
        monkeypatch.setenv("ROLLCALL_API_KEY", admin)
        made = await call_apart("keys", "create", "nightly", "--scope", "upload", "--expires", "30d")
        assert made.code == 0
        nightly = made.out.strip()
        assert "nightly" in made.err
        assert nightly not in made.err
        listed = [json.loads(line) for line in (await call_apart("keys", "list", "--json")).out.splitlines()]
        ids = {key["name"]: key["id"] for key in listed}
        whoami = await call_apart("whoami", "--api-key", nightly)
        assert f"name\tnightly\nkey\t{ids['nightly']}\nscopes\tupload\n" in whoami.out
        assert (await call_apart("keys", "revoke", ids["nightly"], ids["payroll"])).code == 0
        assert "revoked\t20" in (await call_apart("keys", "show", ids["nightly"])).out
        assert (await call_apart("uploads", "--api-key", nightly)).code == 3

        async with rollcall.AsyncClient(url, api_key=admin) as rc:
            # What was noted is there a moment later.
            async def is_noted() -> bool:
                noted = [entry async for entry in rc.audit_after()]
                return len([each for each in noted if "key" in each.action]) >= 4

            await eventually(is_noted)
            newest = [entry async for entry in rc.audit(caller="boss")]
            assert [each.id for each in newest] == sorted((each.id for each in newest), reverse=True)
        audited = await call_apart("audit", "--caller", "boss")
        assert (audited.code, "boss" in audited.out) == (0, True)
