"""The consumer's settings."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.service.settings import FOR_TESTS, ErasureSettings, SharedSettings


class ConsumerSettings(SharedSettings, ErasureSettings):
    """Prefetch is no setting: it is 1, so that a consumer holds one chunk in memory."""

    service = "consumer"

    model_config = SettingsConfigDict(env_prefix="ROLLCALL_CONSUMER_")

    careful_from_delivery: int = Field(
        3, ge=2, description="From this delivery of a chunk on it is worked on row by row, with markers."
    )
    poison_after_consumers: int = Field(
        3, ge=2, description="A row at which so many consumers died is rejected as `poison_row`."
    )
    row_timeout_seconds: float = Field(
        30,
        gt=0,
        description="A row that takes longer, and longer than three lock timeouts, counts as a death of its consumer; "
        "a consumer that stands still for so long ends itself.",
    )
    unpublished_after_seconds: float = Field(
        120,
        gt=0,
        description="A stored reject whose dead letter nobody published by then is published by the sweep, which comes "
        "round four times in that time.",
    )
    drain_seconds: float = Field(
        20,
        gt=0,
        description="How long a consumer that gets SIGTERM works on at the message in hand before it gives it back; "
        "ten seconds less than its grace period.",
    )
    failpoints: str = Field(
        "", description="JSON that names places in the code and what happens there.", json_schema_extra=FOR_TESTS
    )

    @property
    def longest_row_seconds(self) -> float:
        """A row may wait for several locks, each as long as the timeout allows, before it fails for that reason."""
        return max(self.row_timeout_seconds, 3 * self.lock_timeout_seconds)
