"""Where requests need keys, SDKs sign with a pair that follows from one, and reach the queues that it reaches."""

from __future__ import annotations

from typing import Any

import boto3

from api_service.lease_queues.sqs import aws_keys, signature
from api_service.settings import ApiSettings
from tests.support.keys import bearer, guarded_api, make_key, until_known
from tests.support.sqs import Sqs

SERVER_SECRET = "of the server, and of enough characters"


def signing(address: str, key: str, secret: str = SERVER_SECRET) -> Sqs:
    sqs = Sqs(address)
    key_id = key.split("_")[1]
    sqs.client._request_signer._credentials = boto3.session.Session(
        aws_access_key_id=key_id, aws_secret_access_key=signature.secret_of(secret, key_id)
    ).get_credentials()
    return sqs


async def test_a_pair_reaches_the_queues_of_its_key_and_no_others(settings: ApiSettings) -> None:
    guarded: Any = settings.model_copy(update={"sqs_secret": type(settings.database_url)(SERVER_SECRET)})
    key = await make_key(settings, "queues:mine*")
    async with guarded_api(guarded) as api:
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
