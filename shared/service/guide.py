"""`/guide`: the documentation as a site, from the folder that `make guide` builds and images have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER: Final = Path(__file__).parents[2] / "build" / "guide"
# Of the one style that Zensical's search brings along in its script.
_SEARCH_STYLE: Final = "'sha256-NwSx/R2V/U4jnW0Tq5pQ53Y/rzPVJ4dqE7D6UTA/J1k='"
HEADERS: Final = {
    # As strict as the pages for people; the theme's icons are in its stylesheet.
    "Content-Security-Policy": f"default-src 'none'; script-src 'self'; style-src 'self' {_SEARCH_STYLE}; "
    "img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # A release has other pages at the same addresses.
    "Cache-Control": "no-cache",
}
_NOTICE: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><p>{text}</p></html>'
)


def add_guide(app: FastAPI, folder: Path = FOLDER) -> None:
    """The folder is looked into at each request, so that a guide that is built later is there at once."""
    app.mount("/guide", _Guide(directory=folder, html=True, check_dir=False), name="guide")


class _Guide(StaticFiles):
    """A page is found without its `.html`, too: those are the addresses that answers of the services give."""

    async def check_config(self) -> None:
        """The folder need not be there."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        found, status = super().lookup_path(path)
        return (found, status) if status is not None or Path(path).suffix else super().lookup_path(f"{path}.html")

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            answer = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            answer = self._notice()
        answer.headers.update(HEADERS)
        return answer

    def _notice(self) -> Response:
        title, text = "There is no such page", "The guide begins at <code>/guide/</code>."
        if self.directory is None or not Path(self.directory).is_dir():
            title = "The guide is not built here"
            text = (
                "<code>make guide</code> in the checkout builds it, in seconds; then it is here. The images have it. "
                "The same pages are in the folder <code>docs</code> of the source."
            )
        return HTMLResponse(_NOTICE.format(title=title, text=text), 404)
