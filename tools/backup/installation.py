"""What a backup has to be able to do with an installation, however it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Final, Protocol

DATABASE: Final = "rollcall"


class Installation(Protocol):
    def dump_database(self, to: IO[bytes]) -> None: ...
    def pack_store(self, to: IO[bytes]) -> None: ...
    def stop_services(self) -> None:
        """Whatever writes ends; Postgres runs, also where nothing ran."""

    def say(self, database: str, *statements: str) -> str:
        """To Postgres, as the owner; what it answers, unaligned."""

    def restore_database(self, database: str, dump: IO[bytes]) -> None: ...
    def stored_files(self) -> set[str]: ...
    def unpack_store(self, packed: IO[bytes]) -> None:
        """Only what is not there."""

    def write_into_store(self, name: str, text: str) -> None: ...
    def start(self) -> None:
        """Migrations first, then the services; returns when all are well."""


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Ends with the command's own words if it fails."""
    done: subprocess.CompletedProcess[bytes] = subprocess.run(command, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        sys.stderr.write(done.stderr.decode(errors="replace"))
        sys.exit(f"`{' '.join(command[:6])} …` ended with status {done.returncode}: its own words are above.")
    return done


def folder_names(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
