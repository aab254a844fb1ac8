"""Fills the folders of secrets of docker-compose.network.yml: `python -m migrations.network FOLDER`.

Passwords, the key that signs messages, and certificates are random and made once. The API's certificate is for the
names in ROLLCALL_HOST_NAMES (localhost, separated by commas), unless /given/certificate.pem and /given/certificate.key
hold one. /given/erasure_key goes before the one that was made: whom an earlier installation erased is known by its key
alone. With --new-certificates all certificates are made anew.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from migrations.network.certificates import Certificate
from migrations.network.secret_folders import fill, renew_certificates

GIVEN = Path("/given")


def given_certificate(folder: Path) -> Certificate | None:
    """None without one. Raises `ValueError` for a half of one."""
    texts = [_text(folder / name) for name in ("certificate.pem", "certificate.key")]
    if not any(texts):
        return None
    if not all(texts):
        raise ValueError(
            "Give both, the certificate (ROLLCALL_CERTIFICATE_FILE) and its key (ROLLCALL_CERTIFICATE_KEY_FILE)."
        )
    return Certificate(*texts)


def _text(file: Path) -> str:
    return file.read_text() if file.is_file() else ""


def main() -> str | None:
    """What went wrong, as a sentence; None when all is well."""
    parser = argparse.ArgumentParser(prog="python -m migrations.network", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--new-certificates", action="store_true")
    arguments = parser.parse_args()
    names = [name.strip() for name in os.environ.get("ROLLCALL_HOST_NAMES", "").split(",") if name.strip()]
    hosts = [*names, *(each for each in ("localhost", "127.0.0.1") if each not in names)]
    try:
        own = given_certificate(GIVEN)
        done = fill(arguments.folder, hosts, own=own, erasure_key=_text(GIVEN / "erasure_key").strip())
        if arguments.new_certificates:
            renew_certificates(arguments.folder, hosts)
            done = fill(arguments.folder, hosts, own=own)
            done.insert(0, "certificates were made anew: restart Postgres, RabbitMQ and the services")
    except (OSError, RuntimeError, ValueError) as error:
        return str(error)
    sys.stdout.write("".join(f"{each}\n" for each in done or ["nothing to do"]))
    return None


if __name__ == "__main__":
    sys.exit(main())
