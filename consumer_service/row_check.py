"""The check that every row of this service goes through."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from shared.rows.employee_rows import check_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.rows.employee_rows import CheckedRows
    from shared.rows.layout import Layout
    from shared.service.failpoints import Failpoints

    CheckRows = Callable[[Sequence[Sequence[str]], Layout], CheckedRows]

ROW_FAILPOINT: Final = "consumer.row"


def rows_check(failpoints: Failpoints) -> CheckRows:
    """`check_rows` itself, with a failpoint in front of it only where a test has named one: it is the hottest path."""
    if not failpoints.names(ROW_FAILPOINT):
        return check_rows

    def check(rows: Sequence[Sequence[str]], layout: Layout) -> CheckedRows:
        failpoints.hit_among(ROW_FAILPOINT, chain.from_iterable(rows))
        return check_rows(rows, layout)

    return check
