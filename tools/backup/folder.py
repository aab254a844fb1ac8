"""A backup as it lies in its folder: the database's dump, the stored files, and a manifest that vouches for both."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.version import VERSION

DUMP = "rollcall.dump"
STORE = "uploads.tar"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    made_at: str
    version: str
    sha256: dict[str, str]


class UnfinishedBackup:
    """Its folder has its name once it is whole: a backup that was interrupted is none."""

    def __init__(self, folder: Path) -> None:
        if folder.exists():
            sys.exit(f"{folder} is there already: name another folder with TO=")
        self._folder = folder
        self.path = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, mode=0o700)

    def finish(self) -> Manifest:
        sums = {name: _sha256(self.path / name) for name in (DUMP, STORE) if (self.path / name).exists()}
        manifest = Manifest(time.strftime("%Y-%m-%dT%H:%M:%S%z"), VERSION, sums)
        (self.path / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        self.path.rename(self._folder)
        return manifest


def checked(folder: Path) -> Manifest:
    """The manifest of a backup that is as it was made; ends with a sentence for any other."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError):
        sys.exit(f"{folder} is no backup: it has no {MANIFEST} that can be read. `make backup` writes one last.")
    for name, wanted in manifest.sha256.items():
        if not (folder / name).is_file() or _sha256(folder / name) != wanted:
            sys.exit(f"{folder / name} is not what was backed up: nothing was changed.")
    return manifest


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
