"""docs/how-to/network.md does what it says: the overlay is brought up by its commands, used, looked into and attacked.

Long: it builds the images. `make test-long ARGS=tests/acceptance/test_network_overlay.py`
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from deploy import container_engine
from deploy.checkout import CHECKOUT
from deploy.program import free_port
from tests.support.patience import patience
from tests.support.uploads import HEADER, UPLOAD
from tools.sbom import IMAGES, read_lock

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not container_engine.engine_answers(), reason="no Docker engine answers"),
]

HOW_TO: Final = (CHECKOUT / "docs" / "how-to" / "network.md").read_text()
PERSON: Final = ("Wilhelmina Quartz", "Zephyrworks", "9876543210", "wilhelmina.quartz@example.com")
BAD_PERSON: Final = ("Ferdinand Basalt", "Zephyrworks", "no number", "ferdinand.basalt@example.com")
OURS: Final = ("api_service", "producer_service", "consumer_service")
UP_SECONDS: Final = 600


class Installation:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.environment = {
            **os.environ,
            **said_in_dotenv(),
            "COMPOSE_PROJECT_NAME": f"rollcall-network-{os.getpid()}",
            "ROLLCALL_API_PORT": str(self.port),
            "ROLLCALL_API_ADDRESS": "127.0.0.1",
            "ROLLCALL_CONSUMERS": "1",
        }
        self.url = f"https://localhost:{self.port}"
        self.authority = folder / "rollcall-ca.pem"
        self.key = ""

    def run(self, *command: str, check: bool = True, given: str = "") -> str:
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.environment, input=given, capture_output=True, text=True, timeout=UP_SECONDS
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def shell(self, command: str) -> str:
        """A command of the how-to, as it stands there but for the port."""
        assert command in HOW_TO
        return self.run("sh", "-ec", command.replace("localhost:8443", f"localhost:{self.port}"))

    def inside(self, service: str, *command: str, check: bool = True) -> str:
        return self.run("docker", "compose", "exec", "-T", service, *command, check=check)

    def client(self) -> httpx2.Client:
        context = ssl.create_default_context(cafile=str(self.authority))
        return httpx2.Client(
            base_url=self.url, verify=context, headers={"Authorization": f"Bearer {self.key}"}, timeout=60
        )

    def containers(self) -> list[str]:
        return self.run("docker", "compose", "ps", "--all", "--quiet").split()


def said_in_dotenv() -> dict[str, str]:
    """What the how-to puts into `.env` before the first start."""
    block = HOW_TO.partition("<<END\n")[2].partition("\nEND")[0]
    return dict(line.split("=", 1) for line in block.splitlines())


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Up and running, with the first key."""
    made = Installation(tmp_path_factory.mktemp("network"))
    try:
        made.shell("docker compose up --build --detach --wait")
        made.key = made.shell(
            "docker compose exec -T api_service python -m api_service.access.create_key --only-first"
        ).strip()
        made.authority.write_text(
            made.run("docker", "compose", "exec", "-T", "api_service", "cat", "/run/rollcall/ca.pem")
        )
        yield made
    finally:
        made.run("docker", "compose", "down", "--volumes", "--remove-orphans", "--rmi", "local", check=False)


@pytest.fixture(scope="module")
def uploaded(installation: Installation) -> dict[str, Any]:
    """A finished upload with a good and a bad row."""
    file = HEADER + "\n".join(",".join(person) for person in (PERSON, BAD_PERSON)).encode()
    with installation.client() as client:
        answer = client.post(UPLOAD, files={"employee_data": ("people.csv", file)})
        assert answer.status_code == 202, answer.text
        return finished(client, answer.json()["id"])


def finished(client: httpx2.Client, upload_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120 * patience()
    while time.monotonic() < deadline:
        upload: dict[str, Any] = client.get(f"/v1/uploads/{upload_id}").raise_for_status().json()
        if upload["finishedAt"] is not None:
            return upload
        time.sleep(0.1)
    raise AssertionError(upload)


def secrets_of(installation: Installation) -> dict[str, str]:
    """Every password and key, by where it stands."""
    script = 'cd /run/rollcall && for f in *; do echo "$f $(base64 --wrap=0 $f)"; done'
    found = {}
    for service in (*OURS, "postgres", "rabbitmq"):
        for line in installation.inside(service, "bash", "-c", script).splitlines():
            name, _, encoded = line.partition(" ")
            found[f"{service}:{name}"] = encoded
    texts = {name: base64.b64decode(encoded).decode() for name, encoded in found.items()}
    words = {}
    for name, text in texts.items():
        if name.endswith("_url"):
            words[name] = text.partition("://")[2].partition("@")[0].partition(":")[2]
        elif name.endswith(":definitions.json"):
            for user in json.loads(text)["users"]:
                words[f"{name}:{user['name']}"] = user["password_hash"]
        elif name.endswith("server.key"):
            words[name] = text.splitlines()[1]
        elif not name.endswith(".pem") and text:
            words[name] = text
    assert all(len(word) > 20 for word in words.values())
    return words


def test_an_upload_goes_all_the_way_and_nobody_without_a_key_gets_in(
    installation: Installation, uploaded: dict[str, Any]
) -> None:
    assert (uploaded["inserted"], uploaded["rejected"]) == (1, 1)
    installation.run("curl", "--fail", "--silent", "--cacert", str(installation.authority), f"{installation.url}/livez")
    with installation.client() as client:
        for address in ("/v1/employees", "/v1/uploads", "/v1/status", "/metrics", "/"):
            assert client.get(address, headers={"Authorization": ""}).status_code in (401, 303), address
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"{installation.url}/livez")  # nobody has told this client of the authority
    with pytest.raises(httpx2.TransportError):
        httpx2.get(installation.url.replace("https", "http") + "/livez")


def test_only_the_api_can_be_reached_and_servers_speak_to_services_by_tls_alone(installation: Installation) -> None:
    published = []
    for container in installation.containers():
        ports = json.loads(installation.run("docker", "inspect", container))[0]["HostConfig"]["PortBindings"] or {}
        published += [(port, binding["HostPort"]) for port, bindings in ports.items() for binding in bindings]
    assert published == [("8000/tcp", str(installation.port))]

    probe = (
        "import socket\n"
        "def is_open(host, port):\n"
        "    try: socket.create_connection((host, port), 2).close()\n"
        "    except OSError: return False\n"
        "    return True\n"
        "print([is_open(*each) for each in"
        " (('postgres', 5432), ('rabbitmq', 5671), ('rabbitmq', 5672), ('rabbitmq', 15672),"
        " ('192.0.2.1', 443))])"
    )
    # Inside there is no management, no plain AMQP, and no way out.
    assert installation.inside("producer_service", "python", "-c", probe).strip() == "[True, True, False, False, False]"
    plain = (
        "import asyncio, asyncpg, os, urllib.parse\n"
        "url = open('/run/rollcall/database_url').read().replace('verify-full', 'disable')\n"
        "try: asyncio.run(asyncpg.connect(url)); print('connected')\n"
        "except Exception as error: print(error)"
    )
    assert "no encryption" in installation.inside("consumer_service", "python", "-c", plain)
    sessions = psql(
        installation,
        "SELECT usename, bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        " WHERE client_addr IS NOT NULL GROUP BY 1 ORDER BY 1",
    )
    assert sessions.split() == ["rollcall_api|t", "rollcall_consumer|t", "rollcall_producer|t"]
    users = installation.inside("rabbitmq", "rabbitmqctl", "--quiet", "list_connections", "user", "ssl")
    assert {tuple(line.split()) for line in users.splitlines() if "rollcall" in line} >= {
        ("rollcall_consumer", "true"),
        ("rollcall_producer", "true"),
    }
    assert "false" not in users
    assert installation.inside("rabbitmq", "rabbitmqctl", "--quiet", "list_users").count("\n") <= 4


def psql(installation: Installation, statement: str) -> str:
    command = 'PGPASSWORD=$(< /run/tls/password) psql --username=rollcall --tuples-only --no-align --command="$0"'
    return installation.inside("postgres", "bash", "-c", command, statement)


def test_no_secret_is_in_an_image_an_inspection_a_list_of_processes_or_a_log(
    installation: Installation, uploaded: dict[str, Any]
) -> None:
    words = secrets_of(installation)
    assert len(words) >= 12
    seen = {"logs": installation.run("docker", "compose", "logs", "--no-color")}
    for container in installation.containers():
        seen[f"inspect {container[:8]}"] = installation.run("docker", "inspect", container)
        image = json.loads(seen[f"inspect {container[:8]}"])[0]["Image"]
        seen[f"history {image[:20]}"] = installation.run("docker", "history", "--no-trunc", image)
        seen[f"image {image[:20]}"] = installation.run("docker", "image", "inspect", image)
    for service in (*OURS, "postgres", "rabbitmq"):
        seen[f"processes of {service}"] = installation.inside(
            service, "bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
        )
    leaked = [f"{name} in {place}" for place, text in seen.items() for name, word in words.items() if word in text]
    assert leaked == []
    # P8: of nobody a word, not in the servers' logs either.
    log = seen["logs"].lower()
    assert str(uploaded["id"]) in log
    assert [cell for person in (PERSON, BAD_PERSON) for cell in person if cell.lower() in log] == []


def test_each_container_holds_its_own_secrets_and_has_no_more_rights_than_it_needs(installation: Installation) -> None:
    for service in OURS:
        listed = installation.inside(service, "ls", "-ln", "/run/rollcall").splitlines()[1:]
        assert listed
        assert all(line.startswith("-r--------") and line.split()[2] == "10001" for line in listed)
        assert "role_password" not in " ".join(listed)
    for container in installation.containers():
        inspected = json.loads(installation.run("docker", "inspect", container))[0]
        host = inspected["HostConfig"]
        name = inspected["Config"]["Labels"]["com.docker.compose.service"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert any("no-new-privileges" in each for each in host["SecurityOpt"]), name
        assert not host["Privileged"], name
        mounted = {
            mount.get("Name", "").rpartition("_")[2] for mount in inspected["Mounts"] if mount["Type"] == "volume"
        }
        assert not mounted - {"secrets", "uploads", "postgres", "rabbitmq"}, name
        if name in OURS:
            assert not host["CapAdd"], name
            assert inspected["Config"]["User"] == "10001:10001"
            owns = [
                mount["Name"]
                for mount in inspected["Mounts"]
                if mount["Type"] == "volume" and "secrets" in mount["Name"]
            ]
            assert [each.rpartition(f"{installation.environment['COMPOSE_PROJECT_NAME']}_")[2] for each in owns] == [
                f"{name.removesuffix('_service')}_secrets"
            ]


def test_a_backup_of_it_is_restored_and_what_came_since_is_kept(
    installation: Installation, uploaded: dict[str, Any], tmp_path: Path
) -> None:
    installation.run("make", "backup", "MODE=compose", f"TO={tmp_path / 'backup'}")
    with installation.client() as client:
        newer = client.post(
            UPLOAD, files={"employee_data": ("new.csv", HEADER + b"Neu,Initech,9876543211,neu@example.com\n")}
        )
        finished(client, newer.json()["id"])
    said = installation.run("make", "restore", "MODE=compose", f"FROM={tmp_path / 'backup'}")
    kept_as = re.findall(r"is kept as (\w+):", said)
    with installation.client() as client:
        assert finished(client, uploaded["id"])["inserted"] == 1
        assert client.get(f"/v1/uploads/{newer.json()['id']}").status_code == 404
        listed = client.get("/v1/employees").json()["data"]
        assert [each["email"] for each in listed] == [PERSON[3]]
        # And it goes on.
        answer = client.post(
            UPLOAD, files={"employee_data": ("b.csv", HEADER + b"Bo,Initech,9876543212,bo@example.com\n")}
        )
        assert finished(client, answer.json()["id"])["inserted"] == 1
        assert client.get("/v1/employees").json()["totalData"] == 2
    stored = installation.inside("api_service", "ls", "/var/lib/rollcall/uploads").split()
    assert {newer.json()["id"], "rollcall-restored", "rollcall-store"} <= set(stored)
    assert kept_as[0] in psql(installation, "SELECT datname FROM pg_database")


# Of an image's own part; Python itself may have compiled a module of the base image in another way.
IN_THE_IMAGE: Final = """
import glob, importlib.metadata, json, os
files = [os.path.join(folder, name) for folder, _, names in os.walk("/") for name in names
         if not folder.startswith(("/proc", "/sys", "/dev"))]
print(json.dumps({
    "rollcall": sorted(os.listdir("/rollcall")) if os.path.isdir("/rollcall") else [],
    "packages": sorted(f"{found.metadata['Name']}=={found.version}"
                       for found in importlib.metadata.distributions(path=glob.glob("/venv/lib/*/site-packages"))),
    "files": files,
    "setuid": [file for file in files if os.path.isfile(file) and os.lstat(file).st_mode & 0o6000],
}))
"""
MADE_AT_START: Final = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/.dockerenv"}
OWN_PLACES: Final = ("/venv/", "/rollcall/", "/var/lib/rollcall/")
CODE: Final = {".py", ".toml", ".mako", ".html", ".css", ".js", ".svg", ".txt", ".json", ".gz"}
HOLDS: Final = {
    "api_service": {"api_service", "shared", "build"},
    "producer_service": {"producer_service", "shared", "build"},
    "consumer_service": {"consumer_service", "shared"},
    "migrate": {"migrations", "shared", "pyproject.toml"},
}


def contents(installation: Installation, image: str) -> dict[str, Any]:
    options = ("--rm", "--network=none", "--user=0", "--entrypoint=python")
    listed: dict[str, Any] = json.loads(installation.run("docker", "run", *options, image, "-c", IN_THE_IMAGE))
    return listed


def test_each_image_holds_its_service_and_the_packages_of_its_lock_and_nothing_else(installation: Installation) -> None:
    base = contents(installation, "python:3.13-slim")
    for container in installation.containers():
        inspected = json.loads(installation.run("docker", "inspect", container))[0]
        service = inspected["Config"]["Labels"]["com.docker.compose.service"]
        if service not in HOLDS:
            continue
        found = contents(installation, inspected["Image"])
        assert set(found["rollcall"]) == HOLDS[service], service
        locked = read_lock((CHECKOUT / "requirements" / f"{IMAGES[service]}.txt").read_text())
        wanted = {f"{package.name}=={package.version}" for package in locked if package.marker is None}
        optional = {f"{package.name}=={package.version}" for package in locked if package.marker is not None}
        packages = {re.sub(r"[-_.]+(?=.*==)", "-", each).lower() for each in found["packages"]}
        assert wanted <= packages <= wanted | optional, service
        own = set(found["files"]) - set(base["files"]) - MADE_AT_START
        assert [file for file in sorted(own) if not file.startswith(OWN_PLACES)] == [], service
        assert set(found["setuid"]) == set(base["setuid"]), service
        code = [file for file in own if file.startswith("/rollcall/") and not file.startswith("/rollcall/build/guide/")]
        strange = [file for file in code if Path(file).suffix not in CODE]
        assert strange == [], service
        assert not {"/venv/bin/uv", "/venv/bin/pip"} & own, service
