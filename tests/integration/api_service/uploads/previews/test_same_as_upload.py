"""P9: what a preview says of a file and of each of its rows is what the upload then does, and it does nothing."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.integration.api_service.uploads.previews.conftest import Previewing, absence, counts
from tests.support.uploads import HEADER

BEFORE = HEADER + b"".join(b"Old %d,Fjord,+4722550101,known%d@fjord.example\n" % (at, at) for at in range(4))
MODES = ("skip", "update", "reject")
BAD = (b"Bo,Fjord,abc,bo@fjord.example\n", b"Bo,Fjord,+4722550102,nobody\n", b"short,row\n", b",Fjord,x,\n")


def mixed(seed: int, mode: str, rows: int = 30) -> bytes:
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
            lines.append(f"Row {at},Fjord,+4722550102,new{chance.randrange(12)}@{mode}{seed}.example\n".encode())
    return HEADER + b"".join(lines)


@pytest.mark.parametrize("previewing", [1, 2, 4], indirect=True, ids=lambda number: f"{number} consumers")
async def test_preview_says_what_the_upload_then_does(previewing: Previewing) -> None:
    await previewing.uploaded(BEFORE)
    for seed, mode in itertools.product(range(2), MODES):
        draft = await previewing.draft(mixed(seed, mode), onDuplicate=mode)
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


WHO_LEAVES = {"absent": "deactivate", "absentAtMost": "50%"}
PEOPLE = HEADER + b"".join(
    b"P %d,%b,+4722550101,p%d@fjord.example\n" % (at, b"Fjord" if at < 8 else b"Kolo", at) for at in range(12)
)


@pytest.mark.parametrize("mode", MODES)
async def test_preview_says_who_would_leave_and_the_upload_then_marks_them(previewing: Previewing, mode: str) -> None:
    await previewing.uploaded(PEOPLE)
    # Three of Fjord have left by now.
    five = PEOPLE.splitlines(keepends=True)[:6]
    left = await previewing.uploaded(b"".join(five), absentScope="Fjord", **WHO_LEAVES)
    assert left["deactivated"] == 3
    # p5 comes back, p6 too, but to another company; p1 moves to it if rows replace, and p9 from it. Names count in
    # rejected rows and in every case of letters.
    content = HEADER + (
        b"P 0,Fjord,+4722550102,P0@fjord.example\n"
        b"P 1,Kolo,+4722550102,p1@fjord.example\n"
        b"P 2,Fjord,x,p2@fjord.example\n"
        b"P 5,Kolo,+4722550102,p5@fjord.example\n"
        b"P 5,fjord,+4722550102,p5@fjord.example\n"
        b"P 6,Kolo,+4722550102,p6@fjord.example\n"
        b"P 9,Fjord,+4722550102,p9@fjord.example\n"
        b"New,Fjord,+4722550102,new@fjord.example\n"
    )
    for scope, at_most in (("FJORD", "50%"), ("Kolo", "50%"), ("all", "50%"), ("all", "1")):
        options = WHO_LEAVES | {"absentScope": scope, "absentAtMost": at_most}
        draft = await previewing.draft(content, onDuplicate=mode, **options)
        before = await previewing.written()
        previewed = await previewing.preview(draft)
        assert await previewing.written() == before
        assert absence(previewed) == (0, None)
        preview, fates, leavers = previewed["preview"], await previewing.fates(draft), await previewing.leavers(draft)
        upload = await previewing.start(draft, ifUnchanged=True)
        assert absence(preview) == absence(upload)
        assert (preview["outcome"], preview["problem"]) == (upload["status"], upload["problem"])
        assert fates == await previewing.fates(draft)
        assert leavers == await previewing.leavers(draft)
        assert len(leavers) == preview["deactivated"]
        await previewing.undone(upload)
    assert leavers == set()


async def test_preview_of_leavers_drifts_and_knows_rows_that_name_nobody(previewing: Previewing) -> None:
    await previewing.uploaded(PEOPLE)
    options = WHO_LEAVES | {"absentScope": "all"}
    draft = await previewing.draft(b"".join(PEOPLE.splitlines(keepends=True)[:9]), **options)
    previewed = await previewing.preview(draft)
    assert absence(previewed["preview"]) == (4, {"inScope": 12, "absent": 4, "atMost": 6, "unreadableRows": 0})
    await previewing.uploaded(HEADER + b"Other,Fjord,+4722550102,other@fjord.example\n")
    answer = await previewing.api.post(f"/v1/uploads/{draft['id']}/start", json={"ifUnchanged": True})
    drifted = answer.json()
    assert (answer.status_code, drifted["code"]) == (409, "preview_drifted")
    assert (drifted["previewed"]["deactivated"], drifted["now"]["deactivated"]) == (4, 5)

    unclear = await previewing.draft(PEOPLE + b"Nobody,Fjord,+4722550102,nobody\n", **options)
    preview = (await previewing.preview(unclear))["preview"]
    assert (preview["outcome"], preview["problem"]["code"]) == ("partially_succeeded", "absent_unclear")
    assert (preview["deactivated"], preview["absence"]["unreadableRows"]) == (0, 1)
    # More rejects than are allowed: it would fail, and nobody be looked for.
    failing = await previewing.draft(HEADER + BAD[0] * 3, maxRejects="1", **options)
    preview = (await previewing.preview(failing))["preview"]
    assert (preview["outcome"], preview["deactivated"], preview["absence"]) == ("failed", None, None)


async def test_preview_of_optional_fields_keeps_people_in_the_company_that_they_have(previewing: Previewing) -> None:
    await previewing.uploaded(PEOPLE)
    content = HEADER + (
        b"P 0,,+4722550102,p0@fjord.example\n"
        b"P 1,Kolo,+4722550102,p1@fjord.example\n"
        b"P 1,,+4722550103,p1@fjord.example\n"
        b"P 8,Fjord,+4722550103,p8@fjord.example\n"
    )
    options = {"onDuplicate": "update", "optional": "company_name", "absentScope": "Fjord", **WHO_LEAVES}
    draft = await previewing.draft(content, **options | {"absentAtMost": "9"})
    preview = (await previewing.preview(draft))["preview"]
    upload = await previewing.start(draft, ifUnchanged=True)
    assert absence(preview) == absence(upload) == (6, {"inScope": 8, "absent": 6, "atMost": 9, "unreadableRows": 0})
