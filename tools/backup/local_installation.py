"""An installation of local processes (`make up MODE=local`), whose servers are Debian's programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from deploy.checkout import LOGS, read_endpoints
from deploy.local import debian_packages, local_mode, private_servers
from deploy.local.supervisor import SERVERS, UPLOADS
from deploy.program import RunningProgram, free_port, start
from tools.backup.installation import DATABASE, folder_names, run


class LocalInstallation:
    def __init__(self) -> None:
        endpoints = read_endpoints()
        self._consumers = len(endpoints.consumer_urls) if endpoints and endpoints.consumer_urls else 2
        self._url = endpoints.database_url if endpoints and local_mode.is_running() else None
        self._alone: RunningProgram | None = None

    def dump_database(self, to: IO[bytes]) -> None:
        if self._url is None:
            sys.exit("Rollcall does not run here: `make up MODE=local` first, or say MODE=compose.")
        self._postgres("pg_dump", DATABASE, "--format=custom", stdout=to)

    def pack_store(self, to: IO[bytes]) -> None:
        with tarfile.open(fileobj=to, mode="w|") as packed:
            packed.add(UPLOADS, arcname="uploads")

    def stop_services(self) -> None:
        local_mode.down()
        UPLOADS.mkdir(parents=True, exist_ok=True, mode=0o700)
        debian_packages.ensure_installed()
        postgres = private_servers.prepare_postgres(SERVERS / "postgres", free_port())
        self._alone = start(postgres.program, LOGS / "postgres.log")
        self._alone.wait_until_ready()
        self._url = postgres.url()

    def say(self, database: str, *statements: str) -> str:
        words = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        said = [word for statement in statements for word in ("--command", statement)]
        return self._postgres("psql", database, *words, *said, stdout=subprocess.PIPE).stdout.decode()

    def restore_database(self, database: str, dump: IO[bytes]) -> None:
        self._postgres("pg_restore", database, "--no-owner", "--no-privileges", "--exit-on-error", stdin=dump)

    def stored_files(self) -> set[str]:
        return folder_names(UPLOADS)

    def unpack_store(self, packed: IO[bytes]) -> None:
        with tarfile.open(fileobj=packed, mode="r|") as files:
            for member in files:
                target = UPLOADS.parent / member.name
                if member.isfile() and not target.exists():
                    _unpack(files, member, target)

    def write_into_store(self, name: str, text: str) -> None:
        (UPLOADS / name).write_text(text)

    def start(self) -> None:
        if self._alone is not None:
            self._alone.stop()
        local_mode.up(self._consumers)

    def _postgres(self, program: str, database: str, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        programs = debian_packages.postgres_programs()
        if programs is None or self._url is None:
            sys.exit("PostgreSQL's programs are not installed.")
        url = urlsplit(self._url)
        # Not among the arguments, which everybody on this machine sees.
        environment = {**os.environ, "PGPASSWORD": url.password or ""}
        address = [f"--host={url.hostname}", f"--port={url.port}", f"--username={url.username}"]
        command = [str(programs / program), *address, f"--dbname={database}", *words]
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        return run(command, env=environment, **options)


def _unpack(files: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Whole or not at all, and nowhere but in the store."""
    if not target.resolve().is_relative_to(UPLOADS.resolve()):
        sys.exit(f"The backup has a file outside of the store: {member.name}")
    content = files.extractfile(member)
    if content is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}#restored")
    with content, unfinished.open("wb") as out:
        shutil.copyfileobj(content, out)
    os.utime(unfinished, (member.mtime, member.mtime))
    unfinished.rename(target)
