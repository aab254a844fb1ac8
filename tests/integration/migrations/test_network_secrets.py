"""Each service of the network overlay finds what it needs in a folder of its own, and nothing that others need."""

from __future__ import annotations

import json
import secrets
import ssl
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from migrations.network.certificates import Certificate, issue
from migrations.network.secret_folders import OWNERS, fill, renew_certificates
from migrations.roles.privileges import SERVICES
from migrations.roles.roles import role_of
from migrations.roles.scram import scram_verifier
from tests.support.servers import CHECKOUT

SECRET_URLS = ("database_url", "amqp_url")


def read(root: Path) -> dict[str, dict[str, str]]:
    return {folder.name: {file.name: file.read_text() for file in folder.iterdir()} for folder in root.iterdir()}


def passwords_in(files: dict[str, str]) -> set[str]:
    return {str(make_url(files[name]).password) for name in SECRET_URLS if name in files} | {
        text for name, text in files.items() if name.endswith("password")
    }


def test_each_folder_holds_its_owners_secrets_alone_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    assert fill(tmp_path, ["rollcall.example.com"])
    folders = read(tmp_path)
    assert set(folders) == set(OWNERS)
    for folder in tmp_path.iterdir():
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o400}
    for service in SERVICES:
        known = passwords_in(folders[service])
        assert len(known) == 2
        for other in SERVICES:
            if other != service:
                assert not known & passwords_in(folders[other])
        assert make_url(folders[service]["database_url"]).username == role_of(service)
        assert folders["owner"][f"{service}_role_password"] in known
        assert not any(password in json.dumps(folders["rabbitmq"]) for password in known)
        assert not any(password in json.dumps(folders["postgres"]) for password in known)
    assert len({folders[service]["message_key"] for service in SERVICES}) == 1
    assert len(folders["api"]["message_key"]) == 64
    assert {name for name in folders if "server.key" in folders[name]} == {"api", "postgres", "rabbitmq"}
    # Nobody keeps the key that could vouch for another server.
    assert "PRIVATE KEY" not in "".join(folders[name]["ca.pem"] for name in folders)
    assert len({folders[name]["server.key"] for name in ("api", "postgres", "rabbitmq")}) == 3


def test_what_is_there_stays_and_only_certificates_can_be_renewed(tmp_path: Path) -> None:
    fill(tmp_path, ["localhost"])
    before = read(tmp_path)
    assert fill(tmp_path, ["localhost"]) == []
    assert read(tmp_path) == before
    # One that was interrupted before its end is made anew.
    (tmp_path / "owner" / "complete").unlink()
    fill(tmp_path, ["localhost"])
    again = read(tmp_path)
    assert again["api"]["database_url"] != before["api"]["database_url"]
    renew_certificates(tmp_path, ["localhost"])
    renewed = read(tmp_path)
    assert renewed["api"]["server.pem"] != again["api"]["server.pem"]
    assert renewed["api"]["database_url"] == again["api"]["database_url"]


def test_the_certificate_that_was_given_is_the_apis_and_a_half_of_one_is_refused(tmp_path: Path) -> None:
    own = issue({"own": ["rollcall.example.com"]}).certificates["own"]
    fill(tmp_path / "root", ["localhost"], own=own)
    assert read(tmp_path / "root")["api"]["server.pem"] == own.certificate
    half = fill_given(tmp_path, "certificate.pem", own.certificate)
    assert half.returncode == 1
    assert "Give both" in half.stderr
    assert own.certificate == read(tmp_path / "root")["api"]["server.pem"]


def test_the_erasure_key_that_was_given_goes_before_the_one_that_was_made_and_stays(tmp_path: Path) -> None:
    root = tmp_path / "root"
    fill(root, ["localhost"])
    before = read(root)
    assert len(before["api"]["erasure_key"]) == 64
    assert before["api"]["erasure_key"] == before["consumer"]["erasure_key"]
    assert {name for name in before if "erasure_key" in before[name]} == {"api", "consumer"}
    assert fill_given(tmp_path, "erasure_key", "of the installation before\n").returncode == 0
    for service in ("api", "consumer"):
        before[service]["erasure_key"] = "of the installation before"
    assert read(root) == before
    assert fill(root, ["localhost"]) == []
    assert read(root) == before


def fill_given(folder: Path, name: str, text: str) -> subprocess.CompletedProcess[str]:
    """The command, with the file of this name among what is given."""
    command = (
        "import migrations.network.__main__ as main, sys; from pathlib import Path;"
        " main.GIVEN = Path(sys.argv.pop()); sys.exit(main.main())"
    )
    (folder / "given").mkdir()
    (folder / "given" / name).write_text(text)
    return subprocess.run(
        [sys.executable, "-c", command, str(folder / "root"), str(folder / "given")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("host", ["rollcall.example.com", "127.0.0.1"])
def test_certificates_are_trusted_by_their_authority_for_their_names_alone(tmp_path: Path, host: str) -> None:
    issued = issue({"api": ["rollcall.example.com", "127.0.0.1"], "other": ["other.example.com"]})
    (tmp_path / "ca.pem").write_text(issued.authority)
    assert handshake(tmp_path, issued.certificates["api"], host) is None
    assert "CERTIFICATE_VERIFY_FAILED" in str(handshake(tmp_path, issued.certificates["other"], host))


def handshake(folder: Path, certificate: Certificate, host: str) -> Exception | None:
    """In memory; what the client says against it."""
    (folder / "server.pem").write_text(certificate.certificate)
    (folder / "server.key").write_text(certificate.key)
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(folder / "server.pem", folder / "server.key")
    client_context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return error
    return None


async def test_postgres_takes_the_password_behind_a_verifier(database: asyncpg.Connection, database_url: str) -> None:
    role = f"t_scram_{secrets.token_hex(6)}"
    await database.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{scram_verifier('a good one')}'")
    try:
        url = make_url(database_url).set(username=role, password="a good one")
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url.set(password="another").render_as_string(hide_password=False))
    finally:
        await database.execute(f"DROP ROLE {role}")
