"""/info: the queues and the messages of one of them, as HTML in which everything that clients sent is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, NamedTuple
from urllib.parse import urlencode

from sqlalchemy import Row

SHOWN_CHARACTERS = 500

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Queue {queue}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2733 }}
table {{ border-collapse: collapse; width: 100%; margin-bottom: .5rem }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d8dee5; vertical-align: top }}
td.number, th.number {{ text-align: right; font-variant-numeric: tabular-nums }}
code {{ white-space: pre-wrap; overflow-wrap: anywhere }}
</style>
<h1>Queues</h1>
<table>
<tr><th>Queue<th class="number">Visible<th class="number">In flight<th class="number">Delayed<th class="number">Dead
<th class="number">Oldest, s<th class="number">Lease, s<th class="number">Receives
{queues}
</table>
{queue_links}
<h1>Messages of {queue}</h1>
<table>
<tr><th class="number">Id<th>State<th>Payload<th class="number">Receives<th>Consumer<th>Sent<th>Lease ends
{messages}
</table>
{message_links}
"""


class QueuesPage(NamedTuple):
    """Of queues and of messages there is one more than the limit, if there are more."""

    queue: str
    page: int
    queues_page: int
    queues: Sequence[Row[Any]]
    messages: Sequence[Row[Any]]
    limit: int


def render(shown: QueuesPage) -> str:
    return _PAGE.format(
        queue=escape(shown.queue),
        queues="\n".join(_queue_row(row) for row in shown.queues[: shown.limit]),
        queue_links=_links(shown, "queuesPage", has_more=len(shown.queues) > shown.limit),
        messages="\n".join(_message_row(row) for row in shown.messages[: shown.limit]),
        message_links=_links(shown, "page", has_more=len(shown.messages) > shown.limit),
    )


def _queue_row(row: Row[Any]) -> str:
    age = "" if row.oldest_age_seconds is None else f"{row.oldest_age_seconds:.0f}"
    counts = (row.visible, row.in_flight, row.delayed, row.dead, age, row.visibility_timeout_seconds, row.max_receives)
    link = f'<a href="{escape(_address(row.name, {}))}">{escape(row.name)}</a>'
    return f"<tr><td>{link}{_number_cells(counts)}"


def _message_row(row: Row[Any]) -> str:
    payload = row.payload if len(row.payload) <= SHOWN_CHARACTERS else f"{row.payload[:SHOWN_CHARACTERS]}…"
    return (
        f"<tr>{_number_cells([row.id])}<td>{escape(row.state)}<td><code>{escape(payload)}</code>"
        f"{_number_cells([row.receive_count])}<td>{escape(row.consumer_id or '')}"
        f"<td>{_time(row.enqueued_at)}<td>{_time(row.lease_expires_at)}"
    )


def _number_cells(values: Iterable[object]) -> str:
    return "".join(f'<td class="number">{escape(str(value))}' for value in values)


def _time(moment: datetime | None) -> str:
    return "" if moment is None else escape(f"{moment:%Y-%m-%d %H:%M:%S} UTC")


def _links(shown: QueuesPage, turned: str, *, has_more: bool) -> str:
    pages = {"page": shown.page, "queuesPage": shown.queues_page}
    turns = [("Back", -1)] if pages[turned] > 1 else []
    if has_more:
        turns.append(("More", 1))
    return " ".join(
        f'<a href="{escape(_address(shown.queue, {**pages, turned: pages[turned] + by}))}">{label}</a>'
        for label, by in turns
    )


def _address(queue: str, pages: Mapping[str, int]) -> str:
    return f"/info?{urlencode({'queue': queue, **pages})}"
