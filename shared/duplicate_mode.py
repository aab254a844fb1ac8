"""What an upload does with a row whose email is known already (`onDuplicate`)."""

from typing import Final, Literal, get_args

# `skip`: the row is a duplicate. `update`: it replaces the employee. `reject`: it goes to the dead letters.
# How each stays the same in any order of chunks: `consumer_service.employee_writer`.
DuplicateMode = Literal["skip", "update", "reject"]

DUPLICATE_MODES: Final[tuple[DuplicateMode, ...]] = get_args(DuplicateMode)
DEFAULT_DUPLICATE_MODE: Final[DuplicateMode] = "skip"
