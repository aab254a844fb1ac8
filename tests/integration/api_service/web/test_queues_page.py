"""The page of queues and their messages."""

from __future__ import annotations

import httpx2

from tests.support.queues import assert_problem, receive, send


async def test_info_shows_every_state_escaped_and_in_pages(api: httpx2.AsyncClient) -> None:
    await send(api, "default", "<script>alert('x')</script>", *range(60))
    await send(api, "other", "elsewhere")
    await receive(api, "default")
    page = await api.get("/info")
    assert "<script>" not in page.text
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "inFlight" in page.text
    assert "elsewhere" not in page.text
    assert '<a href="/info?queue=default&amp;page=2&amp;queuesPage=1">More</a>' in page.text
    last = await api.get("/info?queue=default&page=2")
    assert "<code>59</code>" in last.text
    assert "<code>48</code>" not in last.text
    assert "More" not in last.text
    assert "elsewhere" in (await api.get("/info?queue=other")).text


async def test_a_page_that_there_cannot_be_is_refused(api: httpx2.AsyncClient) -> None:
    assert_problem(await api.get("/info?page=0"), 422, "invalid_request")
