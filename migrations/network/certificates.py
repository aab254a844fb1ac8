"""Certificates of an authority of our own, made by openssl: for the connections between services, and for trying.

The authority's key is thrown away with the folder that it was made in, so nobody can have it sign anything later.
"""

from __future__ import annotations

import ipaddress
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

DAYS: Final = 3650
_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Certificate(NamedTuple):
    """Both in PEM."""

    certificate: str
    key: str


class Issued(NamedTuple):
    """The certificates by the name that each was asked for, and the authority that vouches for them all."""

    authority: str
    certificates: dict[str, Certificate]


def issue(names: Mapping[str, Iterable[str]]) -> Issued:
    """One for each key of `names`, good for the host names and addresses there."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Path(folder) / "ca"
        _openssl(
            *("req", "-x509", *_KEY, "-days", str(DAYS), "-subj", "/CN=Rollcall of this installation"),
            *("-keyout", f"{authority}.key", "-out", f"{authority}.pem"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        certificates = {
            name: _certificate(authority, Path(folder) / name, list(hosts)) for name, hosts in names.items()
        }
        return Issued(authority.with_suffix(".pem").read_text(), certificates)


def _certificate(authority: Path, file: Path, hosts: list[str]) -> Certificate:
    alternatives = ",".join(f"{'IP' if _is_address(host) else 'DNS'}:{host}" for host in hosts)
    _openssl(
        *("req", "-new", *_KEY, "-subj", f"/CN={hosts[0]}", "-keyout", f"{file}.key", "-out", f"{file}.csr"),
        *("-addext", f"subjectAltName={alternatives}", "-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=serverAuth"),
    )
    _openssl(
        *("x509", "-req", "-in", f"{file}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"),
        *("-CAcreateserial", "-days", str(DAYS), "-copy_extensions", "copyall", "-out", f"{file}.pem"),
    )
    return Certificate(Path(f"{file}.pem").read_text(), Path(f"{file}.key").read_text())


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)  # noqa: S603, S607 - our own words
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed:\n{done.stderr}")
