"""The page of a queue and its messages."""

from __future__ import annotations

import httpx2

from tests.support.push_receiver import SECRET
from tests.support.queues import change_lease, receive, send
from tests.support.waiting import eventually


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


async def test_a_queue_is_paused_resumed_and_deleted_from_its_page(api: httpx2.AsyncClient) -> None:
    await send(api, "q", 1)
    assert "(paused)" not in (await api.get("/queues/q")).text
    paused = await api.post("/queues/q/pause", follow_redirects=True)
    assert "<h1>q (paused)</h1>" in paused.text
    assert await receive(api, "q") == []
    assert "(paused)" in (await api.get("/queues")).text
    assert "(paused)" not in (await api.post("/queues/q/resume", follow_redirects=True)).text
    refused = await api.post("/queues/q/delete")
    assert refused.status_code == 409
    assert "Nothing was deleted" in refused.text
    assert (await api.get("/v1/queues/q")).json()["visible"] == 1
    await api.post("/queues/q/delete", data={"messages": "true"})
    assert (await api.get("/v1/queues/q")).status_code == 404


async def test_subscription_is_set_told_and_removed_on_the_page_of_its_queue(api: httpx2.AsyncClient) -> None:
    await api.put("/v1/queues/q", json={})
    assert "Push messages to a URL" in (await api.get("/queues/q")).text
    given = {"url": " https://mailer.invalid/a?b=<i> ", "secret": SECRET}
    set_anew = await api.post("/queues/q/subscribe", data=given, follow_redirects=True)
    assert "https://mailer.invalid/a?b=&lt;i&gt;" in set_anew.text
    assert SECRET not in set_anew.text
    await send(api, "q", 1)

    async def tells_the_failure() -> bool:
        text = (await api.get("/queues/q")).text
        return "its host name is not known (DNS)" in text and "They fail since" in text

    await eventually(tells_the_failure)
    refused = await api.post("/queues/q/subscribe", data={**given, "url": "https://127.0.0.1/"})
    assert refused.status_code == 422
    assert "not public" in refused.text
    assert SECRET not in refused.text
    removed = await api.post("/queues/q/unsubscribe", follow_redirects=True)
    assert "mailer.invalid" not in removed.text
    assert (await api.get("/v1/queues/q/subscription")).status_code == 404


async def test_one_message_is_looked_at_redriven_and_deleted_from_its_page(api: httpx2.AsyncClient) -> None:
    await api.put("/v1/queues/q", json={"maxReceives": 1})
    options = {"payload": {"to": "<b>"}, "headers": {"trace": "<i>"}, "priority": 3, "groupId": "orders"}
    (message_id,) = (await api.post("/v1/queues/q/messages", json=options)).json()["ids"]
    page = f"/queues/q/messages/{message_id}"
    assert f'href="{page}"' in (await api.get("/queues/q")).text
    shown = (await api.get(page)).text
    for text in ("visible", "orders", "&lt;i&gt;", "&lt;b&gt;"):
        assert text in shown
    assert "<i>" not in shown
    (message,) = await receive(api, "q")
    assert f"{page}/cancel" not in (await api.get(page)).text
    assert (await api.post(f"{page}/cancel")).status_code == 409
    await change_lease(api, "q", message["receipt"], 0)
    assert "dead" in (await api.get(page)).text
    assert "visible" in (await api.post(f"{page}/redrive", follow_redirects=True)).text
    await api.post(f"{page}/cancel")
    assert (await api.get(page)).status_code == 404
