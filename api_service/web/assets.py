"""The stylesheet and the scripts. Their addresses hold a digest of all of them, so a browser asks for each once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response

from api_service.http.problems import Problem, ProblemCode

FOLDER: Final = Path(__file__).parent / "assets"
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_CONTENT: Final = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}
# Scripts import each other by relative names, so one digest stands for all.
_DIGEST: Final = hashlib.sha256(
    b"\0".join(part for name, text in _CONTENT.items() for part in (name.encode(), text))
).hexdigest()[:12]

router = APIRouter(include_in_schema=False)


def asset_address(name: str) -> str:
    """Raises KeyError for a file that there is none of."""
    _ = _CONTENT[name]
    return f"/assets/{_DIGEST}/{name}"


@router.get("/assets/{digest}/{name}")
async def get_asset(digest: str, name: str) -> Response:
    content = _CONTENT.get(name)
    if content is None:
        raise Problem(ProblemCode.NOT_FOUND, "No page needs this file.")
    # A page of another release asks for its own digest, and must not keep what it gets from this one.
    cached = "public, max-age=31536000, immutable" if digest == _DIGEST else "no-store"
    headers = {"Cache-Control": cached, "X-Content-Type-Options": "nosniff"}
    # As a header, because Starlette would add a charset once more.
    return Response(content, headers={**headers, "Content-Type": MEDIA_TYPES[Path(name).suffix]})
