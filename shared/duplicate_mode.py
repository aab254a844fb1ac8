"""The duplicate modes (`onDuplicate`): an upload's choice for rows whose email is known already."""

from typing import Final, Literal, get_args

# `skip`: the row is a duplicate. `update`: it replaces the employee. `reject`: it goes to the dead letters.
# `consumer_service.employee_writer` makes each come out the same in any order of chunks.
DuplicateMode = Literal["skip", "update", "reject"]

DUPLICATE_MODES: Final[tuple[DuplicateMode, ...]] = get_args(DuplicateMode)
DEFAULT_DUPLICATE_MODE: Final[DuplicateMode] = "skip"
