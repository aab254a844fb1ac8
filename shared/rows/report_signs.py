"""How a report of rejects or of all results is known when it comes back as a file."""

from __future__ import annotations

from typing import Final

# People delete and move columns in a spreadsheet. A file of somebody else's making has hardly all of these.
SIGNS_OF_A_REPORT: Final = frozenset({"error_code", "error_field", "error_message"})
SIGNS_OF_RESULTS: Final = SIGNS_OF_A_REPORT | {"outcome", "same_as"}
