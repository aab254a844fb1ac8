"""Puts an application behind keys, or lets it be without them where no stranger reaches it."""

from __future__ import annotations

import os
import sys

import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from shared.access.browsers import names_in
from shared.access.key_directory import KeyDirectory
from shared.access.layer import AccessLayer, AnswerPage, OwnerOf
from shared.access.limits import KeyLimits
from shared.access.loopback import OpenToOthers, require_loopback
from shared.access.route_needs import RouteNeeds, UndeclaredRoute
from shared.service.settings import AccessSettings

log = structlog.get_logger(__name__)


class Guard:
    """Of one application: made before it starts, opened and closed with it."""

    def __init__(self, settings: AccessSettings, needs: RouteNeeds, *, database_url: str, service: str) -> None:
        """Nothing connects yet. Raises `OpenToOthers`."""
        self._settings = settings
        self._needs = needs
        self._service = service
        self.keys: KeyDirectory | None = None
        if settings.authentication == "on":
            self.keys = KeyDirectory(database_url, f"{service} keys")
        elif not settings.published_on_loopback:
            try:
                require_loopback(sys.argv, os.environ)
            except OpenToOthers as error:
                log.critical(str(error))
                raise

    def stand_before(
        self, app: FastAPI, *, owner_of: OwnerOf | None = None, answer_page: AnswerPage | None = None
    ) -> None:
        """To be called before what stands before the guard is added."""
        app.add_middleware(
            AccessLayer,
            needs=self._needs,
            keys=self.keys,
            limits=KeyLimits(requests=self._settings.key_requests_at_once, uploads=self._settings.key_uploads_at_once),
            is_published_on_loopback=self._settings.published_on_loopback,
            allowed_hosts=names_in(self._settings.allowed_hosts),
            allowed_origins=names_in(self._settings.allowed_origins),
            owner_of=owner_of,
            answer_page=answer_page,
        )
        # It stands before the layer, because a browser asks without a key whether it may.
        if self._settings.allowed_origins:
            app.add_middleware(
                CORSMiddleware,
                allow_origins=sorted(names_in(self._settings.allowed_origins)),
                allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-Request-ID"],
                expose_headers=["ETag", "Link", "Location", "Retry-After", "X-Receipt", "X-Request-ID"],
            )

    async def open(self, app: FastAPI) -> None:
        """With the application's lifespan. Raises `UndeclaredRoute`, and TimeoutError without a database."""
        try:
            self._needs.require_all(app)
        except UndeclaredRoute as error:
            log.critical(str(error))
            raise
        if self.keys is not None:
            await self.keys.open()
        else:
            log.warning("authentication is off: whoever reaches this service on this machine may do all that it can")

    async def close(self) -> None:
        if self.keys is not None:
            await self.keys.close()
