"""`/docs` and `/redoc` without any request to elsewhere: FastAPI's own pages load their scripts from a CDN."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

ASSETS: Final = "/docs/assets"
# The scripts of both pages know addresses elsewhere, such as a logo's; the browser is told to load nothing from there.
_POLICY: Final = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; worker-src blob:; "
    "base-uri 'none'; form-action 'none'"
}


def add_docs_pages(app: FastAPI) -> None:
    """To an application that was made with `docs_url=None` and `redoc_url=None`."""
    # The package brings Swagger UI and ReDoc. Its own pages are not used, for they say no policy.
    app.mount(ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]), name="docs assets")
    _put_under_dependencies(app, app.openapi_url)
    app.add_api_route("/docs", _swagger_ui, include_in_schema=False)
    app.add_api_route("/redoc", _redoc, include_in_schema=False)


def _put_under_dependencies(app: FastAPI, path: str | None) -> None:
    """FastAPI adds the description as a plain route, which the application's dependencies do not apply to."""
    [plain] = [route for route in app.routes if isinstance(route, Route) and route.path == path]
    app.router.routes.remove(plain)
    app.add_api_route(
        plain.path, plain.endpoint, methods=sorted(plain.methods or ()), include_in_schema=False, response_model=None
    )


async def _swagger_ui(request: Request) -> HTMLResponse:
    prefix = request.scope.get("root_path", "").rstrip("/")
    page = get_swagger_ui_html(
        openapi_url=f"{prefix}{request.app.openapi_url}",
        title=request.app.title,
        swagger_js_url=f"{prefix}{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{prefix}{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{prefix}{ASSETS}/favicon.png",
    )
    page.headers.update(_POLICY)
    return page


async def _redoc(request: Request) -> HTMLResponse:
    prefix = request.scope.get("root_path", "").rstrip("/")
    page = get_redoc_html(
        openapi_url=f"{prefix}{request.app.openapi_url}",
        title=request.app.title,
        redoc_js_url=f"{prefix}{ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{prefix}{ASSETS}/favicon.png",
        with_google_fonts=False,
    )
    page.headers.update(_POLICY)
    return page
