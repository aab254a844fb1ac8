"""The page of the system: what is wrong in words, the last hour as charts, who works, and which versions run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request, Response

from api_service.http.dependencies import SettingsDep
from api_service.web.own_api import OwnApi
from api_service.web.page_route import PageRoute
from api_service.web.rendering import render
from shared.amqp.topology import (
    BULK_REQUESTS_QUEUE,
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_QUEUE,
    REQUESTS_QUEUE,
    UPLOADS_QUEUE,
)

router = APIRouter(route_class=PageRoute, include_in_schema=False)

CHART_WIDTH: Final = 120
CHART_HEIGHT: Final = 24
HOUR_SECONDS: Final = 3600
# Of a longer time without a sample nobody knows how it was: the line breaks off.
GAP_SECONDS: Final = 120
# What it means to whoever uploads, and what to do.
REMEDIES: Final = {
    "broker_unavailable": "Files are taken all the same. Their rows wait, and go on when RabbitMQ answers.",
    "broker_blocked": "Files are taken all the same, and their rows wait. Give RabbitMQ disk or memory.",
    "no_consumers": "Rows are read, and nobody writes them. Start a consumer_service; nothing is lost meanwhile.",
    "no_producers": "Files are taken, and nobody reads them. Start a producer_service; nothing is lost meanwhile.",
    "store_full": "No file is taken until there is room: delete uploads, or give the store a larger disk.",
    "store_unavailable": "No file is taken, and none that waits can be read, until the store of the files answers.",
}

# Who consumes each, and what for.
WORK: Final = {
    UPLOADS_QUEUE: "producers: take up an upload that waits",
    REQUESTS_QUEUE: "consumers: check rows and write them",
    BULK_REQUESTS_QUEUE: "consumers: try refused rows again, undo uploads, mark who has left",
    DEAD_LETTERS_QUEUE: "nobody: what was refused waits here until somebody settles it",
    DEAD_CHUNKS_QUEUE: "producers: go on with what no consumer got through",
}


class Chart(NamedTuple):
    """Lines of an SVG, each the points of a time without a gap; `most` is null where nothing is known."""

    lines: list[str]
    most: float | None


@router.get("/system")
async def show_system(request: Request, settings: SettingsDep) -> Response:
    api = OwnApi(request)
    status = await api.get("/v1/status")
    samples = (await api.get("/v1/status/history"))["samples"]
    return render(
        request,
        "system.html",
        status_document=status,
        retention=await api.get("/v1/retention"),
        troubles=[{**each, "remedy": REMEDIES.get(each["code"])} for each in status["troubles"]],
        work=WORK,
        management_url=settings.management_url,
        rates=_chart(samples, lambda sample: sample["rowsPerSecond"]),
        depths={
            name: _chart(samples, lambda sample, name=name: (sample["queues"] or {}).get(name))
            for name in status["queues"]
        },
    )


def _chart(samples: Sequence[dict[str, Any]], value_of: Callable[..., float | None]) -> Chart:
    """From an hour before the last sample, at the left, to it."""
    known = [(datetime.fromisoformat(each["takenAt"]).timestamp(), value_of(each)) for each in samples]
    values = [value for _, value in known if value is not None]
    if not values:
        return Chart([], None)
    end, most = known[-1][0], max(values)
    lines: list[list[str]] = []
    last: float | None = None
    for moment, value in known:
        if value is not None:
            x = CHART_WIDTH * max(0, 1 - (end - moment) / HOUR_SECONDS)
            y = CHART_HEIGHT - 1 - (CHART_HEIGHT - 2) * value / (most or 1)
            if last is None or moment - last > GAP_SECONDS:
                lines.append([])
            lines[-1].append(f"{x:.1f},{y:.1f}")
        last = None if value is None else moment
    return Chart([" ".join(line) for line in lines], most)
