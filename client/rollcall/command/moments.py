"""Times as one types them: a date, a time, or how far it is from now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def ahead(text: str, *, option: str) -> datetime:
    """`30d` is in thirty days. Raises BadParameter."""
    return _moment(text, option, forward=True)


def ago(text: str, *, option: str) -> datetime:
    """`30d` is thirty days ago. Raises BadParameter."""
    return _moment(text, option, forward=False)


def _moment(text: str, option: str, *, forward: bool) -> datetime:
    if found := re.fullmatch(r"(\d{1,5})([mhdw])", text):
        distance = timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
        return datetime.now(UTC) + (distance if forward else -distance)
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter("say a date such as 2027-11-30, or 30d", param_hint=option) from None
