"""The settings that all three services share; each service adds its own under a prefix of its own."""

from typing import Final

from pydantic import Field, SecretStr
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, SettingsConfigDict

# Marks a setting that no operator has a use for: no table of docs/operations.md has it, and Compose hands it to nobody.
FOR_TESTS: Final[JsonDict] = {"for_tests": True}


class SharedSettings(BaseSettings):
    """Read once, in `create_app`, from the environment; frozen, so that nothing changes under a running service."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    database_url: SecretStr = Field(
        validation_alias="ROLLCALL_DATABASE_URL",
        description="Postgres, as `postgresql://user:password@host:port/database`.",
    )
    amqp_url: SecretStr = Field(
        validation_alias="ROLLCALL_AMQP_URL",
        description="RabbitMQ, as `amqp://user:password@host:port/vhost`; several nodes separated by commas.",
    )
    amqp_heartbeat_seconds: int = Field(
        10,
        ge=1,
        validation_alias="ROLLCALL_AMQP_HEARTBEAT_SECONDS",
        description="After about two of these without a sign of life a broker connection counts as lost.",
    )
    publish_timeout_seconds: float = Field(
        10,
        gt=0,
        validation_alias="ROLLCALL_PUBLISH_TIMEOUT_SECONDS",
        description="How long a publisher confirm may take before the connection is thrown away.",
    )
    dead_letters_limit: int = Field(
        100_000,
        ge=1,
        validation_alias="ROLLCALL_DEAD_LETTERS_LIMIT",
        description="Letters in the queue `employees.dead-letters` from which on more wait in the database for room.",
    )
    lock_timeout_seconds: float = Field(
        10,
        gt=0,
        validation_alias="ROLLCALL_LOCK_TIMEOUT_SECONDS",
        description="How long a statement waits for another transaction's lock before it is retried.",
    )
    database_answer_timeout_seconds: float = Field(
        60,
        gt=0,
        validation_alias="ROLLCALL_DATABASE_ANSWER_TIMEOUT_SECONDS",
        description="After so long without an answer to a statement a database connection counts as lost.",
    )
    idle_in_transaction_timeout_seconds: float = Field(
        30,
        gt=0,
        validation_alias="ROLLCALL_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS",
        description="When Postgres ends a transaction whose service has stopped talking; above the lock timeout.",
    )
    log_level: str = Field(
        "INFO",
        validation_alias="ROLLCALL_LOG_LEVEL",
        description="DEBUG, INFO, WARNING or ERROR; the AMQP library's own logger never goes below INFO.",
    )


class UploadStoreSettings(BaseSettings):
    """The place of the uploaded files; a mixin for the two services that touch them."""

    upload_store_url: str = Field(
        validation_alias="ROLLCALL_UPLOAD_STORE_URL",
        description="`file:///folder` (shared by API and producer) or `s3://bucket/prefix` (credentials: `AWS_*`).",
    )
