"""What a producer's work on a file leads to: an upload, or its preview. The file is read and sent for both alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from producer_service.previews import preview_state
from producer_service.uploads import upload_state

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from producer_service.uploads.leases import Lease
    from producer_service.uploads.upload_state import Progress, Upload
    from shared.errors import FileProblem
    from shared.upload_status import UploadStatus


class WorkState(Protocol):
    """Either of the two modules."""

    # The upload's status meanwhile.
    @property
    def WORKING(self) -> UploadStatus: ...

    async def start(self, connection: AsyncConnection, lease: Lease) -> UploadStatus: ...

    async def write_progress(self, connection: AsyncConnection, lease: Lease, progress: Progress) -> None: ...

    async def finish(
        self,
        connection: AsyncConnection,
        lease: Lease,
        *,
        rows_read: int | None,
        blank_rows: int | None = None,
        byte_count: int,
        read_seconds: float | None = None,
        problem: FileProblem | None,
    ) -> UploadStatus: ...


def work_state(upload: Upload) -> WorkState:
    return upload_state if upload.preview_id is None else preview_state
