"""Rollcall from Python: `Client`, `AsyncClient`, the values that they answer with, and exceptions by code.

Names are imported when they are first used, so that what needs one of them does not wait for all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from shared.version import VERSION

if TYPE_CHECKING:
    from rollcall._async.client import AsyncClient as AsyncClient
    from rollcall._async.older import AsyncConsumer as AsyncConsumer
    from rollcall._async.older import AsyncProducer as AsyncProducer
    from rollcall._async.queue import AsyncQueue as AsyncQueue
    from rollcall._async.reading import AsyncDownload as AsyncDownload
    from rollcall._async.reading import AsyncPages as AsyncPages
    from rollcall._async.upload import AsyncUpload as AsyncUpload
    from rollcall._sync.client import Client as Client
    from rollcall._sync.older import Consumer as Consumer
    from rollcall._sync.older import Producer as Producer
    from rollcall._sync.queue import Queue as Queue
    from rollcall._sync.reading import Download as Download
    from rollcall._sync.reading import Pages as Pages
    from rollcall._sync.upload import Upload as Upload
    from rollcall.checking import checked_file as checked_file
    from rollcall.errors import *  # noqa: F403 - for type checkers: all of it is public
    from rollcall.models import *  # noqa: F403 - for type checkers: all of it is public
    from rollcall.options import FileOptions as FileOptions
    from rollcall.problem_codes import *  # noqa: F403 - for type checkers: all of it is public

__version__ = VERSION

_MODULES = {
    "client": ("Client",),
    "older": ("Consumer", "Producer"),
    "queue": ("Queue",),
    "reading": ("Download", "Pages"),
    "upload": ("Upload",),
}
_HOMES = {
    **{name: f"rollcall._sync.{module}" for module, names in _MODULES.items() for name in names},
    **{f"Async{name}": f"rollcall._async.{module}" for module, names in _MODULES.items() for name in names},
    "FileOptions": "rollcall.options",
    "checked_file": "rollcall.checking",
}


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(f"module 'rollcall' has no attribute {name!r}")
    homes = [_HOMES[name]] if name in _HOMES else ["rollcall.problem_codes", "rollcall.errors", "rollcall.models"]
    for home in homes:
        module = import_module(home)
        if name in vars(module):
            return vars(module)[name]
    raise AttributeError(f"module 'rollcall' has no attribute {name!r}")
