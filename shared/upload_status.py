"""The states of an upload, for the table, the services and the API's documents alike.

`queued → running → succeeded | partially_succeeded | failed | cancelled`, with `cancelling` in between, and perhaps
`draft` before all, with `previewing → previewed` as often as wanted. The producer makes all moves but four: the API
starts and ends drafts, asks for their previews and for a cancel, and the consumer turns `partially_succeeded` into
`succeeded` with the last rejected row that a redrive or a correction brings in.

A finished upload can be undone: the API makes it `undoing`, its producer `undone`.
"""

from typing import Final, Literal, get_args

Held = Literal["draft", "previewed"]
Unfinished = Literal["draft", "previewing", "previewed", "queued", "running", "cancelling"]
FinishedWell = Literal["succeeded", "partially_succeeded"]
FinalStatus = Literal[FinishedWell, "failed", "cancelled"]
Undo = Literal["undoing", "undone"]
UploadStatus = Literal[Unfinished, FinalStatus, Undo]

UPLOAD_STATES: Final[tuple[UploadStatus, ...]] = get_args(UploadStatus)
FINAL_STATES: Final[tuple[FinalStatus, ...]] = get_args(FinalStatus)
# Nobody works on these before they are started.
HELD_STATES: Final[tuple[Held, ...]] = get_args(Held)
# It was not started yet, so that it is ended at once.
UNSTARTED_STATES: Final[tuple[UploadStatus, ...]] = (*HELD_STATES, "previewing")
# Read to the end, with every row accounted for.
WELL_FINISHED_STATES: Final[tuple[FinishedWell, ...]] = get_args(FinishedWell)
# In these a cancel makes the upload `cancelling`.
CANCELLABLE_STATES: Final[tuple[UploadStatus, ...]] = ("queued", "running")
UNDO_STATES: Final[tuple[Undo, ...]] = get_args(Undo)
# Nothing goes on by itself any more.
SETTLED_STATES: Final[tuple[UploadStatus, ...]] = (*FINAL_STATES, "undone")
# Nobody works on it, and it may be deleted.
RESTING_STATES: Final[tuple[UploadStatus, ...]] = (*HELD_STATES, *SETTLED_STATES)
# Its file was dealt with to its end.
PROCESSED_STATES: Final[tuple[UploadStatus, ...]] = (*FINAL_STATES, *UNDO_STATES)
