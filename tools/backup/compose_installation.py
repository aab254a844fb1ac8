"""An installation of docker-compose.yml, with whatever COMPOSE_FILE names beside it."""

from __future__ import annotations

import subprocess
from typing import IO, Any, Final

from deploy.checkout import CHECKOUT
from tools.backup.installation import DATABASE, run

_STORE_FOLDER: Final = "/var/lib/rollcall"
# docker-compose.network.yml has a password in a file, and wants it on the socket too.
_AS_OWNER: Final = '[[ -r /run/tls/password ]] && export PGPASSWORD=$(< /run/tls/password); exec "$@"'
_SERVICES: Final = ("api_service", "producer_service", "consumer_service")


class ComposeInstallation:
    def dump_database(self, to: IO[bytes]) -> None:
        self._postgres("pg_dump", "--format=custom", f"--dbname={DATABASE}", stdout=to)

    def pack_store(self, to: IO[bytes]) -> None:
        self._in_store("tar", "-C", _STORE_FOLDER, "-c", "uploads", stdout=to)

    def stop_services(self) -> None:
        self._compose("stop", *_SERVICES)
        self._compose("up", "--detach", "--wait", "postgres", "rabbitmq")

    def say(self, database: str, *statements: str) -> str:
        words = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        said = [word for statement in statements for word in ("--command", statement)]
        return self._postgres("psql", *words, f"--dbname={database}", *said, stdout=subprocess.PIPE).stdout.decode()

    def restore_database(self, database: str, dump: IO[bytes]) -> None:
        options = ("--no-owner", "--no-privileges", "--exit-on-error")
        self._postgres("pg_restore", f"--dbname={database}", *options, stdin=dump)

    def stored_files(self) -> set[str]:
        found = self._in_store(
            "find", f"{_STORE_FOLDER}/uploads", "-type", "f", "-printf", "%P\n", stdout=subprocess.PIPE
        )
        return set(found.stdout.decode().splitlines())

    def unpack_store(self, packed: IO[bytes]) -> None:
        self._in_store("tar", "-C", _STORE_FOLDER, "-x", "--skip-old-files", stdin=packed)

    def write_into_store(self, name: str, text: str) -> None:
        self._in_store("sh", "-c", f"cat > {_STORE_FOLDER}/uploads/{name}", input=text.encode())

    def start(self) -> None:
        self._compose("run", "--rm", "-T", "migrate")
        self._compose("up", "--detach", "--wait")

    def _postgres(self, program: str, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        command = ["exec", "-T", "postgres", "bash", "-c", _AS_OWNER, "bash", program, "--username=rollcall", *words]
        return self._compose(*command, **options)

    def _in_store(self, *command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        return self._compose("run", "--rm", "--no-deps", "-T", "api_service", *command, **options)

    def _compose(self, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        options.setdefault("stdout", subprocess.DEVNULL)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return run(["docker", "compose", *words], cwd=CHECKOUT, **options)
