"""The bill of an image's packages says what its lock says."""

from __future__ import annotations

import json

import pytest

from deploy.checkout import CHECKOUT
from tools.sbom import IMAGES, bill_of, read_lock

LOCK = f"""\
# made by hand
uvicorn[standard]==0.5.0 ; sys_platform != 'win32' \\
    --hash=sha256:{"a" * 64} \\
    --hash=sha256:{"b" * 64}
    # via
    #   -c requirements/dev.txt
    #   rollcall (pyproject.toml)
Typing_Extensions==4.1 \\
    --hash=sha256:{"c" * 64}
    # via uvicorn
"""


def test_packages_are_read_with_versions_hashes_and_who_needs_them() -> None:
    uvicorn, extensions = read_lock(LOCK)
    assert (uvicorn.purl, uvicorn.marker) == ("pkg:pypi/uvicorn@0.5.0", "sys_platform != 'win32'")
    assert uvicorn.sha256 == ["a" * 64, "b" * 64]
    assert uvicorn.needed_by == {"rollcall"}
    assert (extensions.purl, extensions.needed_by) == ("pkg:pypi/typing-extensions@4.1", {"uvicorn"})
    bill = bill_of("api_service", [uvicorn, extensions])
    assert bill["dependencies"][0]["dependsOn"] == [uvicorn.purl]
    assert bill["dependencies"][1] == {"ref": uvicorn.purl, "dependsOn": [extensions.purl]}


def test_package_without_a_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="typing-extensions has no hash"):
        read_lock(LOCK.replace(f"    --hash=sha256:{'c' * 64}\n", ""))


@pytest.mark.parametrize(("image", "lock"), IMAGES.items())
def test_bill_of_each_image_names_every_package_of_its_lock_and_is_the_same_each_time(image: str, lock: str) -> None:
    text = (CHECKOUT / "requirements" / f"{lock}.txt").read_text()
    bill = bill_of(image, read_lock(text))
    pinned = [line.split("==")[0].partition("[")[0] for line in text.splitlines() if "==" in line and line[0].isalpha()]
    assert [each["name"] for each in bill["components"]] == pinned
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    references = {each["bom-ref"] for each in bill["components"]}
    assert {reference for each in bill["dependencies"] for reference in each["dependsOn"]} == references
    assert json.dumps(bill) == json.dumps(bill_of(image, read_lock(text)))
