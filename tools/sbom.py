"""Writes what is in each image as CycloneDX, from the locks that the images are built from: `make sbom`.

One file an image, into build/sbom. What the base image brings (Debian's packages, Python) is its publisher's to list.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.checkout import CHECKOUT
from shared.version import VERSION

IMAGES: Final = {
    "api_service": "api_service",
    "producer_service": "producer_service",
    "consumer_service": "consumer_service",
    "migrate": "migrations",
}
FOLDER: Final = CHECKOUT / "build" / "sbom"
SPEC_VERSION: Final = "1.6"
_NAMESPACE: Final = uuid.UUID("5f2c9d0e-6b0c-4a57-9d53-2f2f1f7a5b11")


@dataclass
class Locked:
    """A package of a lock; `needed_by` are the names of those that want it, of ours `rollcall`."""

    name: str
    version: str
    marker: str | None = None
    sha256: list[str] = field(default_factory=list)
    needed_by: set[str] = field(default_factory=set)

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(text: str) -> list[Locked]:
    """As uv writes it. Raises `ValueError` for a package without a hash, which nothing would hold to its content."""
    found = list(_packages(text))
    for package in found:
        if not package.sha256:
            raise ValueError(f"{package.name} has no hash in the lock: `make lock`")
    return found


def _packages(text: str) -> Iterator[Locked]:
    current: Locked | None = None
    for line in text.splitlines():
        if pinned := re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?==([^ ;\\]+)(?: *; *(.*?))? *\\?$", line):
            if current is not None:
                yield current
            current = Locked(re.sub(r"[-_.]+", "-", pinned[1]).lower(), pinned[2], pinned[3])
        elif current is not None:
            current.sha256 += re.findall(r"--hash=sha256:([0-9a-f]{64})", line)
            # `# via x` on one line, or each on one of its own; those in parentheses and options are no packages.
            if via := re.match(r" +# +(?:via )?(?!via$)([A-Za-z0-9][A-Za-z0-9._-]*)(?: \(.*\))?$", line):
                current.needed_by.add("rollcall" if via[1] == "rollcall" else via[1])
    if current is not None:
        yield current


def bill_of(image: str, packages: list[Locked]) -> dict[str, Any]:
    """The same for the same lock: it has no time in it."""
    root = f"rollcall-{image}@{VERSION}"
    names = {package.name for package in packages}
    wanted_by_us = [package.purl for package in packages if not package.needed_by & names]
    content = json.dumps([[package.purl, package.sha256] for package in packages])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, root + content)}",
        "version": 1,
        "metadata": {
            "component": {"type": "container", "bom-ref": root, "name": f"rollcall/{image}", "version": VERSION}
        },
        "components": [_component(package) for package in packages],
        "dependencies": [
            {"ref": root, "dependsOn": sorted({*wanted_by_us, *_direct(packages)})},
            *(
                {
                    "ref": package.purl,
                    "dependsOn": sorted(other.purl for other in packages if package.name in other.needed_by),
                }
                for package in packages
            ),
        ],
    }


def _direct(packages: list[Locked]) -> list[str]:
    return [package.purl for package in packages if "rollcall" in package.needed_by]


def _component(package: Locked) -> dict[str, Any]:
    # Of each wheel and source that the lock allows; which one is installed is the platform's choice.
    properties = [{"name": "rollcall:locked-sha256", "value": digest} for digest in package.sha256]
    if package.marker is not None:
        properties.append({"name": "rollcall:only-if", "value": package.marker})
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "scope": "required" if package.marker is None else "optional",
        "properties": properties,
    }


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for image, lock in IMAGES.items():
        packages = read_lock((CHECKOUT / "requirements" / f"{lock}.txt").read_text())
        file = FOLDER / f"{image}.cdx.json"
        file.write_text(json.dumps(bill_of(image, packages), indent=2) + "\n")
        print(f"{file.relative_to(CHECKOUT)}: {len(packages)} packages")


if __name__ == "__main__":
    main()
