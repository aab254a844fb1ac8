"""Backs an installation up and restores it: `make backup TO=folder`, `make restore FROM=folder`.

What has to be kept is Postgres and the upload store; RabbitMQ holds nothing that does not come back.
docs/how-to/backup.md says what is consistent with what.
"""

from __future__ import annotations

import argparse
import os
import sys
import tarfile
import time
from pathlib import Path

from deploy import authentication
from deploy.checkout import alone
from deploy.local import local_mode
from tools.backup import statements
from tools.backup.compose_installation import ComposeInstallation
from tools.backup.folder import DUMP, STORE, UnfinishedBackup, checked
from tools.backup.installation import DATABASE, Installation
from tools.backup.local_installation import LocalInstallation

# As `api_service.operations.unknown_files` knows it.
RESTORED_KEY = "rollcall-restored"
RESTORED_TEXT = (
    "The database was restored from a backup of {made_at}, older than some of the files here. While this object is\n"
    "here, no file is deleted for being unknown to the database.\n"
)


def back_up(installation: Installation, folder: Path) -> None:
    """First the database, then the store: each file that the dump knows is among those that are packed after it."""
    backup = UnfinishedBackup(folder)
    with (backup.path / DUMP).open("wb") as dump:
        installation.dump_database(dump)
    if not _store_is_a_bucket():
        with (backup.path / STORE).open("wb") as packed:
            installation.pack_store(packed)
    backup.finish()
    sizes = {name: f"{(folder / name).stat().st_size:,} bytes" for name in (DUMP, STORE) if (folder / name).exists()}
    print(f"Backed up to {folder}: " + ", ".join(f"{name} ({size})" for name, size in sizes.items()))
    if _store_is_a_bucket():
        print("The upload store is a bucket, which is not in this backup: copy it now, or give it versions.")


def restore(installation: Installation, folder: Path) -> None:
    """The database of now is kept under another name, and no file of the store of now is touched."""
    manifest = checked(folder)
    installation.stop_services()
    installation.say("postgres", *statements.MAKE_ROOM)
    with (folder / DUMP).open("rb") as dump:
        installation.restore_database(statements.RESTORING, dump)
    installation.say(statements.RESTORING, statements.PASS_OVER_NUMBERS)
    unknown = _restore_store(installation, folder, manifest.made_at)
    kept_as = f"{DATABASE}_before_{time.strftime('%Y%m%d_%H%M%S')}"
    installation.say("postgres", *statements.take_its_place(DATABASE, kept_as))
    installation.start()
    print(f"Restored from {folder}, made {manifest.made_at} by release {manifest.version}.")
    print(f"The database of before is kept as {kept_as}: DROP DATABASE {kept_as}, once all is well.")
    if unknown:
        print(f"{unknown} stored files are newer than the backup, and stay: docs/how-to/backup.md says what to do.")


def _restore_store(installation: Installation, folder: Path, made_at: str) -> int:
    """How many files the backup does not have. The mark comes before any service runs, whose retention heeds it."""
    packed = folder / STORE
    if not packed.exists():
        print(f"The backup has no files. If the store is a bucket, put an object {RESTORED_KEY} into it.")
        return 0
    with tarfile.open(packed) as files:
        known = {member.name.removeprefix("uploads/") for member in files if member.isfile()}
    unknown = len(installation.stored_files() - known - {RESTORED_KEY})
    if unknown:
        installation.write_into_store(RESTORED_KEY, RESTORED_TEXT.format(made_at=made_at))
    with packed.open("rb") as content:
        installation.unpack_store(content)
    return unknown


def _store_is_a_bucket() -> bool:
    return os.environ.get("ROLLCALL_UPLOAD_STORE_URL", "").startswith("s3://")


def _installation(mode: str) -> Installation:
    if mode == "local" or (mode == "auto" and local_mode.is_running()):
        return LocalInstallation()
    return ComposeInstallation()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.backup", description=__doc__)
    parser.add_argument("action", choices=["backup", "restore"])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--mode", choices=["auto", "compose", "local"], default="auto")
    arguments = parser.parse_intermixed_args()
    folder = arguments.folder or Path("backups") / time.strftime("%Y-%m-%d-%H%M%S")
    if arguments.action == "restore" and arguments.folder is None:
        sys.exit("Which backup? make restore FROM=backups/…")
    with alone():
        # A restored system asks for keys if it did before.
        authentication.choose(None)
        action = back_up if arguments.action == "backup" else restore
        action(_installation(arguments.mode), folder.resolve())


if __name__ == "__main__":
    main()
