"""P9: what a preview says of a file and of each of its rows is what the upload then does, and it does nothing."""

from __future__ import annotations

import random

import pytest

from tests.integration.api_service.uploads.previews.conftest import Previewing, counts
from tests.support.uploads import HEADER

BEFORE = HEADER + b"".join(b"Old %d,Fjord,+4722550101,known%d@fjord.example\n" % (at, at) for at in range(4))
MODES = ("skip", "update", "reject")
BAD = (b"Bo,Fjord,abc,bo@fjord.example\n", b"Bo,Fjord,+4722550102,nobody\n", b"short,row\n", b",Fjord,x,\n")


def mixed(seed: int, rows: int = 30) -> bytes:
    """Known people, new ones, both of them again and in capitals, rows that are bad in several ways, and blank ones."""
    chance = random.Random(seed)
    lines = []
    for at in range(rows):
        kind = chance.random()
        if kind < 0.2:
            lines.append(chance.choice(BAD))
        elif kind < 0.25:
            lines.append(b",,,\n")
        elif kind < 0.45:
            lines.append(b"Row %d,Fjord,+4722550102,KNOWN%d@fjord.example\n" % (at, chance.randrange(6)))
        else:
            lines.append(b"Row %d,Fjord,+4722550102,new%d@Fjord.example\n" % (at, chance.randrange(12)))
    return HEADER + b"".join(lines)


@pytest.mark.parametrize("previewing", [1, 2], indirect=True, ids=lambda number: f"{number} consumers")
@pytest.mark.parametrize("mode", MODES)
async def test_preview_says_what_the_upload_then_does(previewing: Previewing, mode: str) -> None:
    await previewing.uploaded(BEFORE)
    for seed in range(2):
        draft = await previewing.draft(mixed(seed), onDuplicate=mode)
        before = await previewing.written()
        previewed = await previewing.preview(draft)
        assert await previewing.written() == before
        assert not any(previewed[name] for name in ("rowsRead", "inserted", "updated", "duplicates", "rejected"))
        preview, fates, rejects = (
            previewed["preview"],
            await previewing.fates(draft),
            await previewing.rejects(draft),
        )
        upload = await previewing.start(draft, ifUnchanged=True)
        assert counts(preview) == counts(upload)
        assert (preview["outcome"], preview["progress"]) == (upload["status"], 1.0)
        assert fates == await previewing.fates(draft)
        assert rejects == await previewing.rejects(draft)
        assert upload["preview"] == preview


async def test_preview_knows_optional_fields_and_who_lacks_a_name(previewing: Previewing) -> None:
    await previewing.uploaded(BEFORE)
    content = HEADER + (
        b",Fjord,,known1@fjord.example\n"  # known from before
        b",Fjord,,new1@fjord.example\n"  # unknown: the row with the name comes later
        b"Named,,,new1@fjord.example\n"
        b",Fjord,,NEW1@fjord.example\n"  # known from a row above
        b",,,nobody@fjord.example\n"
        b",,,nobody@fjord.example\n"
        b"Named,,x,known2@fjord.example\n"
        b"Named,,,known2@fjord.example\n"
    )
    draft = await previewing.draft(content, onDuplicate="update", optional="employee_name,company_name,mobile_no")
    previewed = await previewing.preview(draft)
    fates, rejects = await previewing.fates(draft), await previewing.rejects(draft)
    assert previewed["preview"]["rejectedBy"] == {"unknown_email": 3, "invalid_mobile": 1}
    upload = await previewing.start(draft, ifUnchanged=True)
    assert counts(previewed["preview"]) == counts(upload)
    assert fates == await previewing.fates(draft)
    assert rejects == await previewing.rejects(draft)


@pytest.mark.parametrize(
    ("mode", "optional", "line"),
    [
        ("reject", "", b"Row,Fjord,+4722550102,KNOWN1@fjord.example\n"),
        ("reject", "", b"Row,Fjord,+4722550102,nobody\n"),
        ("update", "employee_name", b",Fjord,+4722550102,unknown@fjord.example\n"),
    ],
    ids=["duplicates", "faults", "unknown"],
)
async def test_preview_ends_at_the_same_chunk_as_an_upload_with_too_many_rejects(
    previewing: Previewing, mode: str, optional: str, line: bytes
) -> None:
    await previewing.uploaded(BEFORE)
    good = b"".join(b"New %d,Fjord,+4722550102,new%d@fjord.example\n" % (at, at % 4) for at in range(5))
    again = b"New,Fjord,+4722550102,new1@fjord.example\n" if mode == "update" else b""
    content = HEADER + good + line * 4 + again + b"Last,Fjord,+4722550102,last@fjord.example\n" * 5
    given = {"optional": optional} if optional else {}
    draft = await previewing.draft(content, onDuplicate=mode, maxRejects="2", **given)
    previewed = await previewing.preview(draft)
    assert previewed["preview"]["outcome"] == "failed"
    fates, rejects = await previewing.fates(draft), await previewing.rejects(draft)
    upload = await previewing.start(draft, ifUnchanged=True)
    assert upload["status"] == "failed"
    assert previewed["preview"]["problem"] == upload["problem"]
    assert counts(previewed["preview"]) == counts(upload)
    assert fates == await previewing.fates(draft)
    assert rejects == await previewing.rejects(draft)


async def test_preview_of_a_file_that_ends_in_a_quote_says_so_and_can_be_mended(previewing: Previewing) -> None:
    content = HEADER + b'Asha,Fjord,+4722550102,asha@fjord.example\n"Bo,Fjord,+4722550103,bo@fjord.example\n'
    draft = await previewing.draft(content, onDuplicate="skip")
    previewed = await previewing.preview(draft)
    preview = previewed["preview"]
    upload = await previewing.start(draft)
    assert counts(preview) == counts(upload)
    assert (preview["outcome"], preview["problem"]) == (upload["status"], upload["problem"])


async def test_preview_of_a_header_alone_and_of_bad_rows_alone(previewing: Previewing) -> None:
    for content in (HEADER, HEADER + BAD[0] * 7):
        draft = await previewing.draft(content)
        preview = (await previewing.preview(draft))["preview"]
        upload = await previewing.start(draft, ifUnchanged=True)
        assert counts(preview) == counts(upload)
        assert (preview["outcome"], preview["progress"]) == (upload["status"], 1.0)
