"""The page of a queue and its messages."""

from __future__ import annotations

import httpx2

from tests.support.queues import receive, send


async def test_a_queue_shows_every_state_escaped_and_in_pages(api: httpx2.AsyncClient) -> None:
    await send(api, "default", "<script>alert('x')</script>", *range(60))
    await send(api, "other", "elsewhere")
    await receive(api, "default")
    page = await api.get("/queues/default")
    # The address that older clients know.
    assert (await api.get("/info")).text.partition("<main")[2] == page.text.partition("<main")[2]
    assert "alert(" in page.text
    assert "<script>alert" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "inFlight" in page.text
    assert "elsewhere" not in page.text
    assert 'href="/queues/default?page=2"' in page.text
    last = await api.get("/queues/default?page=2")
    assert "<code>59</code>" in last.text
    assert "<code>48</code>" not in last.text
    assert "More →" not in last.text
    assert "elsewhere" in (await api.get("/queues/other")).text
    only = await api.get("/queues/default?state=inFlight")
    assert "alert(" in only.text
    assert "<code>1</code>" not in only.text


async def test_a_page_that_there_cannot_be_is_refused_and_what_is_no_json_is_not_sent(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/queues/default?page=0")).status_code == 422
    refused = await api.post("/queues/default/send", data={"payload": "no json"})
    assert refused.status_code == 422
    assert "Nothing was sent" in refused.text
    assert (await api.get("/v1/queues")).json()["data"] == []
