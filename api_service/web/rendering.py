"""Makes a page of a template. Everything that comes from people is text in it: Jinja escapes what is not a template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jinja2
import msgspec
from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from api_service.web.assets import asset_address
from shared.access.callers import NOBODY, READ, SCOPE_KEY, UPLOAD, Caller
from shared.rows.fields import FIELD_NAMES, FIELDS
from shared.upload_status import CANCELLABLE_STATES, RESTING_STATES, SETTLED_STATES, UNSTARTED_STATES, UPLOAD_STATES
from shared.version import VERSION

# In the order of the navigation, each with who may look at it.
PAGES: Final[Sequence[tuple[str, str, Callable[[Caller], bool]]]] = (
    ("/", "Uploads", lambda caller: caller.has(READ) or caller.has(UPLOAD)),
    ("/employees", "Employees", lambda caller: caller.has(READ)),
    ("/dead-letters", "Dead letters", lambda caller: caller.has(READ)),
    ("/queues", "Queues", lambda caller: caller.reaches_all_queues),
    ("/system", "System", lambda caller: caller.has(READ)),
    # Where authentication is off there are no keys.
    ("/keys", "Keys", lambda caller: caller.is_admin and caller.name is not None),
    ("/audit", "Audit", lambda caller: caller.is_admin),
)
HEADERS: Final = {
    # Pages have people in them.
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def render(request: Request, template: str, *, status: int = 200, **shown: Any) -> HTMLResponse:
    """The page, as strict as all of them are."""
    # What a caller may not do is not offered; the API's own routes are what refuses it. On the page where one signs in
    # there is no caller yet.
    caller = request.scope.get(SCOPE_KEY, NOBODY)
    pages = [(path, label) for path, label, may_look in PAGES if may_look(caller)]
    content = _environment.get_template(template).render(path=request.url.path, caller=caller, pages=pages, **shown)
    # Half of a surrogate pair, which a name can have, is no character.
    return HTMLResponse(content.encode("utf-8", "replace"), status, HEADERS)


def first_page_for(caller: Caller) -> str:
    """Where somebody begins who asked for no page."""
    return next((path for path, _, may_look in PAGES if may_look(caller)), "/account")


def address(path: str, query: dict[str, Any], **changed: Any) -> str:
    """A link to the same list with something else chosen; what is None or empty is left out."""
    chosen = {name: value for name, value in {**query, **changed}.items() if value not in (None, "", [])}
    return f"{path}?{urlencode(chosen, doseq=True)}" if chosen else path


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _byte_count(value: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value} bytes"


def _moment(text: str | None) -> Markup:
    """In UTC as long as no script has said it in the reader's own time."""
    if text is None:
        return Markup()
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(text, f"{moment:%Y-%m-%d %H:%M} UTC")


def _seconds(begin: str | None, end: str | None) -> float | None:
    if begin is None or end is None:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def _duration(seconds: float) -> str:
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        " ".join(f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if value) or "0 s"
    )


def _words(code: str) -> str:
    return code.replace("_", " ")


def _make_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "number": _number,
        "rows": _rows,
        "byte_count": _byte_count,
        "moment": _moment,
        "duration": _duration,
        "words": _words,
        "tojson_text": lambda value: msgspec.json.encode(value).decode(),
    }
    environment.globals |= {
        "asset": asset_address,
        "address": address,
        "seconds_between": _seconds,
        "field_names": FIELD_NAMES,
        "optional_fields": [field.name for field in FIELDS if field.may_be_empty or field.optional_in],
        "upload_states": UPLOAD_STATES,
        "settled_states": SETTLED_STATES,
        "resting_states": RESTING_STATES,
        "unstarted_states": UNSTARTED_STATES,
        "cancellable_states": CANCELLABLE_STATES,
        "version": VERSION,
    }
    return environment


_environment: Final = _make_environment()
