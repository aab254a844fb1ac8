"""Where requests need keys, SDKs sign with a pair that follows from one, and reach the queues that it reaches."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from typing import Any

import boto3

from api_service.lease_queues.sqs import aws_keys, signature
from api_service.settings import ApiSettings
from tests.support.keys import bearer, guarded_api, make_key, until_known
from tests.support.patience import patience
from tests.support.queues import assert_problem
from tests.support.servers import CHECKOUT
from tests.support.sqs import Sqs

SERVER_SECRET = "of the server, and of enough characters"


def signing(address: str, key: str, secret: str = SERVER_SECRET) -> Sqs:
    key_id = key.split("_")[1]
    return signing_with(address, key_id, signature.secret_of(secret, key_id))


def signing_with(address: str, access_key_id: str, secret_access_key: str) -> Sqs:
    sqs = Sqs(address)
    sqs.client._request_signer._credentials = boto3.session.Session(
        aws_access_key_id=access_key_id, aws_secret_access_key=secret_access_key
    ).get_credentials()
    return sqs


def with_secret(settings: ApiSettings) -> ApiSettings:
    return settings.model_copy(update={"sqs_secret": type(settings.database_url)(SERVER_SECRET)})


async def test_a_pair_reaches_the_queues_of_its_key_and_no_others(settings: ApiSettings) -> None:
    key = await make_key(settings, "queues:mine*")
    async with guarded_api(with_secret(settings)) as api:
        await until_known(api, key)
        address = str(api.base_url)
        sqs = signing(address, key)
        url = await sqs.queue("mine")
        await sqs("send_message", QueueUrl=url, MessageBody="b")
        assert await sqs.bodies(url) == ["b"]
        theirs = url.replace("mine", "theirs")
        for operation, parameters in (
            ("create_queue", {"QueueName": "theirs"}),
            ("send_message", {"QueueUrl": theirs, "MessageBody": "b"}),
            ("delete_queue", {"QueueUrl": theirs}),
            ("tag_queue", {"QueueUrl": theirs, "Tags": {"a": "b"}}),
            ("set_queue_attributes", {"QueueUrl": theirs, "Attributes": {}}),
            ("start_message_move_task", {"SourceArn": "arn:aws:sqs:us-east-1:000000000000:theirs"}),
        ):
            assert await sqs.refused(operation, **parameters) == "AccessDenied", operation
        for stranger in (signing(address, key, "another secret"), signing(address, "rc_000000000000_x"), Sqs(address)):
            assert await stranger.refused("list_queues") == "InvalidClientTokenId"
        target = {"X-Amz-Target": "AmazonSQS.ListQueues"}
        assert (await api.post("/", headers=target, json={})).status_code == 403
        assert (await api.post("/", headers=target | bearer(key), json={})).json() == {"QueueUrls": [url]}


def test_the_command_prints_a_keys_pair(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv(aws_keys.SECRET_VARIABLE, SERVER_SECRET)
    monkeypatch.setattr("sys.argv", ["aws_keys", "0123456789ab"])
    aws_keys.main()
    secret = signature.secret_of(SERVER_SECRET, "0123456789ab")
    assert capsys.readouterr().out == f"AWS_ACCESS_KEY_ID=0123456789ab\nAWS_SECRET_ACCESS_KEY={secret}\n"


async def rollcall(*arguments: str, **environment: str) -> tuple[int | None, str, str]:
    """The command, and what it printed."""
    path = os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "client")))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rollcall", *arguments),
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )
    out, err = await asyncio.wait_for(process.communicate(), 60 * patience())
    return process.returncode, out.decode(), err.decode()


async def test_a_key_is_made_with_its_pair_in_one_step(settings: ApiSettings) -> None:
    admin = await make_key(settings, "admin")
    async with guarded_api(with_secret(settings)) as api:
        await until_known(api, admin)
        address = {"ROLLCALL_URL": str(api.base_url), "ROLLCALL_API_KEY": admin}
        order = ("keys", "create", "orders", "--scope", "queues:orders*", "--aws")
        code, out, err = await rollcall(*order, **address)
        assert code == 0, err
        pair = dict(line.split("=", 1) for line in out.splitlines())
        assert list(pair) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        sqs = signing_with(str(api.base_url), *pair.values())
        url = await sqs.queue("orders")
        await sqs("send_message", QueueUrl=url, MessageBody="b")
        assert await sqs.bodies(url) == ["b"]
        assert await sqs.refused("create_queue", QueueName="others") == "AccessDenied"
        wanted = {"name": "plain", "scopes": ["queues:*"]}
        assert (await api.post("/v1/keys", json=wanted, headers=bearer(admin))).json()["aws"] is None
        revoked = await api.delete(f"/v1/keys/{pair['AWS_ACCESS_KEY_ID']}", headers=bearer(admin))
        assert revoked.status_code == 204
        assert await sqs.refused("list_queues") == "InvalidClientTokenId"


async def test_no_key_is_made_where_it_could_not_sign(settings: ApiSettings) -> None:
    admin = await make_key(settings, "admin")
    async with guarded_api(settings) as api:
        await until_known(api, admin)
        wanted = {"name": "orders", "scopes": ["queues:orders*"], "aws": True}
        refused = await api.post("/v1/keys", json=wanted, headers=bearer(admin))
        assert_problem(refused, 422, "invalid_request")
        assert "ROLLCALL_API_SQS_SECRET" in refused.json()["detail"]
        assert (await api.get("/v1/keys", headers=bearer(admin))).json()["size"] == 1
