"""Whose absence from a file means that they have left."""

from __future__ import annotations

from typing import Final

ALL: Final = "all"
# Of employees `e`, those of the company `:scope`. Both are in NFC; the case of letters does not count, as in searches.
IN_SCOPE: Final = f"(CAST(:scope AS text) = '{ALL}' OR lower(e.company_name) = lower(CAST(:scope AS text)))"
