"""The settings that all three services share; each service adds its own under a prefix of its own."""

from typing import ClassVar, Final, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.service.secret_files import SecretFiles

# Marks a setting that no operator has a use for: no table of docs/operations.md has it, and Compose hands it to nobody.
FOR_TESTS: Final[JsonDict] = {"for_tests": True}

LEAST_KEY_CHARACTERS: Final = 32


class SharedSettings(BaseSettings):
    """Read once, in `create_app`, from the environment; frozen, so that nothing changes under a running service."""

    # By it a broker user or a part of the topology is known.
    service: ClassVar[Literal["api", "producer", "consumer"]]

    model_config = SettingsConfigDict(
        frozen=True,
        populate_by_name=True,
        extra="ignore",
        # An error would print the secret that is wrong.
        hide_input_in_errors=True,
    )

    database_url: SecretStr = Field(
        validation_alias="ROLLCALL_DATABASE_URL",
        description="Postgres, as `postgresql://user:password@host:port/database`.",
    )
    amqp_url: SecretStr = Field(
        validation_alias="ROLLCALL_AMQP_URL",
        description="RabbitMQ, as `amqp://user:password@host:port/vhost`; several nodes separated by commas.",
    )
    message_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="ROLLCALL_MESSAGE_KEY",
        description="Signs messages, the same at every service; the first of several separated by commas signs, all are"
        " known. Without it nothing is signed.",
    )
    unsigned_messages: Literal["refuse", "accept"] = Field(
        "refuse",
        validation_alias="ROLLCALL_UNSIGNED_MESSAGES",
        description="`accept` while not every service has the key yet: messages without a signature are taken too.",
    )
    amqp_declares: Literal["all", "own"] = Field(
        "all",
        validation_alias="ROLLCALL_AMQP_DECLARES",
        description="What a service declares at the broker: `all` there is, or only its `own`, the queues that it takes"
        " messages from, for users who may configure no more.",
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

    @property
    def message_keys(self) -> list[str]:
        """The first signs; none means that nothing is signed."""
        return _keys_in(self.message_key)

    @field_validator("message_key")
    @classmethod
    def _is_long_enough(cls, given: SecretStr) -> SecretStr:
        if any(len(key) < LEAST_KEY_CHARACTERS for key in _keys_in(given)):
            raise ValueError(f"a key of fewer than {LEAST_KEY_CHARACTERS} characters; make one: openssl rand -hex 32")
        return given

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, SecretFiles(settings_cls), env_settings, dotenv_settings, file_secret_settings


def _keys_in(given: SecretStr) -> list[str]:
    return [key.strip() for key in given.get_secret_value().split(",") if key.strip()]


class AccessSettings(BaseSettings):
    """Who is let in; a mixin for the two services that are asked for more than probes."""

    authentication: Literal["on", "off"] = Field(
        "on",
        validation_alias="ROLLCALL_AUTHENTICATION",
        description="`on`: every request needs an API key. `off`: none does, and the service is for loopback alone.",
    )
    published_on_loopback: bool = Field(
        False,
        validation_alias="ROLLCALL_PUBLISHED_ON_LOOPBACK",
        description="Says that the address that the service listens on is published on 127.0.0.1 alone, as in "
        "docker-compose.yml: there authentication may be off.",
    )
    metrics_access: Literal["key", "open"] = Field(
        "key",
        validation_alias="ROLLCALL_METRICS_ACCESS",
        description="`key`: `/metrics` needs a key with the scope `metrics` or `read`. `open`: it needs none.",
    )

    key_requests_at_once: int = Field(
        500,
        ge=1,
        validation_alias="ROLLCALL_KEY_REQUESTS_AT_ONCE",
        description="Requests that keys of one name may have in hand at a time in one process; more are refused (429).",
    )
    key_uploads_at_once: int = Field(
        20,
        ge=1,
        validation_alias="ROLLCALL_KEY_UPLOADS_AT_ONCE",
        description="Of these, so many that send a file.",
    )
    allowed_hosts: str = Field(
        "",
        validation_alias="ROLLCALL_ALLOWED_HOSTS",
        description="Names that the service is asked for by, separated by commas, besides `localhost` and addresses in "
        "numbers; by others, which a foreign page may have made, it refuses (421).",
    )
    allowed_origins: str = Field(
        "",
        validation_alias="ROLLCALL_ALLOWED_ORIGINS",
        description="Origins, as `https://tools.example`, separated by commas, whose pages may use the service with a "
        "key (CORS); those of all others are refused.",
    )


class UploadStoreSettings(BaseSettings):
    """The place of the uploaded files; a mixin for the two services that touch them."""

    upload_store_url: str = Field(
        validation_alias="ROLLCALL_UPLOAD_STORE_URL",
        description="`file:///folder` (shared by API and producer) or `s3://bucket/prefix` (credentials: `AWS_*`).",
    )


class ErasureSettings(BaseSettings):
    """By what erased people are known again; a mixin for the two services that have to."""

    erasure_key: SecretStr | None = Field(
        None,
        validation_alias="ROLLCALL_ERASURE_KEY",
        description="The secret by which erased people are known again, the same for API and consumers, for ever. "
        "Nobody can be erased without it.",
    )

    @field_validator("erasure_key")
    @classmethod
    def _empty_is_none(cls, key: SecretStr | None) -> SecretStr | None:
        return key if key is not None and key.get_secret_value() else None
