"""The producer's settings."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.service.settings import FOR_TESTS, AccessSettings, SharedSettings, UploadStoreSettings


class ProducerSettings(SharedSettings, AccessSettings, UploadStoreSettings):
    service = "producer"

    model_config = SettingsConfigDict(env_prefix="ROLLCALL_PRODUCER_")

    window_chunks: int = Field(
        8,
        ge=1,
        description="Chunks that may be unanswered at a time, two for each consumer, but 4 or more, and at most so "
        "many, shared by the uploads in progress; so many again for uploads up to 1 MiB.",
    )
    max_uploads: int = Field(
        32,
        ge=1,
        description="Uploads up to 1 MiB that one producer works on at a time; as many up to 32 MiB, as many larger.",
    )
    lease_seconds: float = Field(
        15, gt=0, description="After a producer died, how long its uploads wait before another producer takes them."
    )
    sweep_seconds: float = Field(3, gt=0, description="How often to look for uploads that nobody works on.")
    progress_seconds: float = Field(0.5, gt=0, description="How often progress is written, and a cancel noticed.")
    ledger_check_seconds: float = Field(
        2, gt=0, description="After so long without a reply the ledger is asked what became of the chunks."
    )
    republish_seconds: float = Field(
        60, gt=0, description="A chunk unanswered for so long is published again, then after twice as long, and so on."
    )
    fruitless_leases: int = Field(
        5,
        ge=1,
        description="So many producers in a row that died while they read this upload alone end it as `no_progress`.",
    )
    missing_file_seconds: float = Field(
        60,
        ge=0,
        description="How long a file that is missing in the right store is looked for before its upload fails.",
    )
    # As a chunk: a range has whole chunks, so a small upload's undo is shared by the consumers as its rows were, and
    # nothing waits long behind a range.
    undo_range_rows: int = Field(
        2_000, ge=1, description="So many rows of an upload that is undone are taken back in one transaction."
    )
    request_max_body_bytes: int = Field(
        2 << 20, ge=1, description="The largest body of `POST /v1/requests`; more is refused (413)."
    )
    request_timeout_seconds: float = Field(30, gt=0, description="How long `POST /v1/requests` waits for its answers.")
    failpoints: str = Field(
        "", description="JSON that names places in the code and what happens there.", json_schema_extra=FOR_TESTS
    )
