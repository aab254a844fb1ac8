# Made from rollcall/_async/access.py by `python -m tools.sync_client`: change that.
"""Methods about keys, and about who did what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from rollcall._sync.calls_base import Calls
from rollcall._sync.reading import Pages
from rollcall._sync.transport import path_of
from rollcall.calls import calls
from rollcall.models import ApiKey, AuditEntry, CreatedKey, Listing, OwnKey

_entries: Final = msgspec.json.Decoder(AuditEntry)


class AccessCalls(Calls):
    @calls("createKey")
    def create_key(
        self, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None, aws: bool = False
    ) -> CreatedKey:
        """A new key; its `key` is in this answer alone, and so is `aws`, what AWS SDKs sign with, if asked for.

        Scopes are read, upload, queues:PATTERN, metrics and admin.
        """
        order: dict[str, object] = {"name": name, "scopes": list(scopes), "expiresAt": expires_at}
        if aws:
            order["aws"] = True
        return self._transport.call("POST", path_of("keys"), CreatedKey, json=order)

    @calls("listKeys")
    def keys(self) -> Pages[ApiKey]:
        """The newest first, those that are revoked too."""
        return self._pages(path_of("keys"), Listing[ApiKey])

    @calls("getKey")
    def key(self, key_id: str) -> ApiKey:
        return self._transport.call("GET", path_of("keys", key_id), ApiKey)

    @calls("revokeKey")
    def revoke_key(self, key_id: str) -> None:
        """It is refused from now on, and stays in the list."""
        self._transport.call("DELETE", path_of("keys", key_id), type(None))

    @calls("getOwnKey")
    def own_key(self) -> OwnKey:
        """Who this client is to the service, and what it may."""
        return self._transport.call("GET", path_of("self"), OwnKey)

    @calls("listAudit")
    def audit(self, *, action: str | None = None, caller: str | None = None) -> Pages[AuditEntry]:
        """Who did what, the newest first."""
        return self._pages(path_of("audit"), Listing[AuditEntry], action=action, caller=caller)

    @calls("exportAudit")
    def audit_after(self, after: int = 0) -> Iterator[AuditEntry]:
        """Who did what since the entry with this id, the oldest first, to the last that there is when it begins."""
        # Each of its requests is an entry, too, so no answer is ever empty.
        last = max((entry.id for entry in (self.audit().page(limit=1)).data), default=0)
        while after < last:
            lines = (self._transport.send("GET", path_of("audit.jsonl"), params={"after": after})).content
            if not lines.strip():
                return
            for entry in _entries.decode_lines(lines):
                yield entry
                after = entry.id
