"""The API's settings: what all services share, where the files lie, and its own limits."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.access.callers import invalid_scopes
from shared.service.settings import (
    FOR_TESTS,
    LEAST_KEY_CHARACTERS,
    AccessSettings,
    ErasureSettings,
    SharedSettings,
    UploadStoreSettings,
)

# Cookies are signed with what follows from it, which nobody is to find out by trying.
LEAST_CLIENT_SECRET_CHARACTERS = 16
_LOOPBACK = r"localhost|127\.0\.0\.1|\[::1\]"
# What the column holds.
MAX_REJECTS_CEILING = 2**31 - 1


class ApiSettings(SharedSettings, AccessSettings, UploadStoreSettings, ErasureSettings):
    """`ApiSettings.from_environment()` reads them once; see `docs/operations.md` for the same list as a table."""

    service = "api"

    model_config = SettingsConfigDict(env_prefix="ROLLCALL_API_", frozen=True, populate_by_name=True, extra="ignore")

    max_upload_bytes: int = Field(
        1 << 30,
        ge=1,
        description="The largest file that is taken; more is refused (413) as soon as it is known.",
    )
    max_workbook_bytes: int = Field(
        64 << 20,
        ge=1,
        description="The largest workbook (.xlsx, .ods, .xls) that is taken; a larger one is refused (413).",
    )
    workbooks_at_once: int = Field(
        1,
        ge=1,
        description="Workbooks that one API process reads at once, each in a process of its own.",
    )
    workbook_memory_bytes: int = Field(
        768 << 20,
        ge=64 << 20,
        description="Memory (address space) that reading a workbook may take; one that needs more is refused (422).",
    )
    workbook_seconds: float = Field(
        120,
        gt=0,
        description="How long reading a workbook may take; one that needs longer is refused (422).",
    )
    workbook_wait_seconds: float = Field(
        20,
        ge=0,
        description="How long a workbook waits for its turn before it is answered 503 `conversion_busy`.",
    )
    chunk_rows: int = Field(
        8000,
        ge=1,
        le=100_000,
        description="Rows a message. Stored with each upload, so that a change moves no border of a running one.",
    )
    max_rejects: int = Field(
        100_000,
        ge=0,
        le=MAX_REJECTS_CEILING,
        description="Rejected rows past which an upload ends as `too_many_rejects`, if its form says no other number.",
    )
    max_rejects_ceiling: int = Field(
        1_000_000,
        ge=0,
        le=MAX_REJECTS_CEILING,
        description="The largest `maxRejects` that a form may say, where it is above the number before.",
    )
    body_timeout_seconds: float = Field(
        60,
        gt=0,
        description="How long an upload's body may pause before it is refused (408).",
    )
    body_least_bytes_per_second: int = Field(
        1024,
        ge=0,
        description="What an upload's body must bring on average once the first pause is over; less is refused (408).",
    )
    announce_timeout_seconds: float = Field(
        1,
        gt=0,
        description="How long the answer to an upload waits for the broker; the producer's sweeper finds it anyway.",
    )
    # The turns of retention and of the dead-letter queue hold a connection each while they ask for another.
    database_pool_size: int = Field(
        10,
        ge=3,
        description="Database connections of one API process for the list of employees, and as many for all else: 3 or "
        "more.",
    )
    database_pool_timeout_seconds: float = Field(
        2,
        gt=0,
        description="How long a request waits for one of them before it is answered 503 `database_busy`.",
    )
    search_pool_size: int = Field(
        8,
        ge=1,
        description="Database connections of one API process for searches, besides those for the list of employees.",
    )
    search_line: int = Field(
        50,
        ge=0,
        description="How many searches may wait for one of them; more are answered 503 `database_busy` at once.",
    )
    statement_timeout_seconds: float = Field(
        15,
        gt=0,
        description="How long a query may run before it is given up with 503 `database_busy`.",
    )
    startup_timeout_seconds: float = Field(
        60,
        gt=0,
        description="How long a start waits for a database that does not answer before the process ends.",
    )
    key_stored_bytes: int | None = Field(
        None,
        ge=1,
        description="Bytes of kept files that keys of one name may have; uploads beyond are refused (429). None: any.",
    )
    key_stored_rows: int | None = Field(
        None,
        ge=1,
        description="Rows of such files, with which further uploads are refused (429). None: any.",
    )
    file_retention_days: float = Field(
        30,
        ge=0,
        description="How long the file of a finished upload is kept, and with it the results of its rows.",
    )
    undo_retention_days: float | None = Field(
        None,
        ge=0,
        description="How long what a finished upload replaced is kept for its undo; None: as long as files.",
    )
    draft_retention_hours: float = Field(
        72,
        ge=0,
        validation_alias="ROLLCALL_DRAFT_RETENTION_HOURS",
        description="How long a draft waits for its start before it is ended, and its file deleted.",
    )
    reject_retention_days: float = Field(
        30,
        ge=0,
        description="How long the rejected rows of a finished upload are kept in its report, and corrections of them.",
    )
    dead_letter_retention_days: float | None = Field(
        None,
        ge=0,
        description="How long they are dead letters, and malformed messages too; None: as long as they are in reports.",
    )
    audit_retention_days: float = Field(
        365,
        ge=30,
        description="How long entries of the audit are kept.",
    )
    orphan_retention_hours: float = Field(
        24,
        ge=1,
        description="A stored file that no upload knows is marked when it is so old, and deleted when its mark is; "
        "longer than any upload takes to come in.",
    )
    unknown_files_limit: int = Field(
        20,
        ge=0,
        description="If a sweep finds more such files, it deletes none and says so: "
        "the database may be an older backup.",
    )
    retention_interval_seconds: float = Field(
        3600,
        gt=0,
        description="How often what is past its time is looked for.",
    )

    job_lease_seconds: float = Field(
        15,
        gt=0,
        description="After an API process died, how long its redrive or correction waits before another takes it.",
    )
    queue_pool_size: int = Field(
        4,
        ge=1,
        description="Database connections for lease queues, besides the pool above, one that listens, four for upkeep "
        "and inspection.",
    )
    queue_max_body_bytes: int = Field(
        16 << 20,
        ge=1,
        description="The largest body of a request to a lease queue; more is refused (413).",
    )
    queue_metrics: int = Field(
        20,
        ge=0,
        le=1000,
        description="Lease queues, the first by name, whose messages `/metrics` counts at each scrape; 0: none.",
    )
    push_requests: int = Field(
        16,
        ge=0,
        le=1000,
        description="Messages that one API process pushes at once, besides one for each subscription.",
    )
    push_subscriptions: int = Field(
        100,
        ge=0,
        le=10_000,
        description="Lease queues that may have a subscription; each asks for messages once a second and process.",
    )
    push_timeout_seconds: float = Field(
        15,
        gt=0,
        le=3600,
        description="How long a push may take, from the look-up of its host to its answer.",
    )
    push_networks: str = Field(
        "",
        description="Networks, separated by commas, that are pushed to though they are not public, such as "
        "`10.1.0.0/16`; plain http goes to these alone.",
    )
    management_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="The address of RabbitMQ's management pages as people reach it, for the link of the page System.",
    )
    sqs_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#\s]+(/[^?#\s]*)?)?$",
        description="The address of the SQS endpoint as clients know it, for the URLs of queues; by default what each "
        "client has asked for.",
    )
    sqs_secret: SecretStr = Field(
        SecretStr(""),
        description="At least 32 characters, from which the secrets of AWS key pairs follow; empty: no signature is "
        "taken while requests need keys.",
    )
    sqs_account_id: str = Field(
        "000000000000",
        pattern=r"^[0-9]{12}$",
        description="The account number in the URLs and ARNs of queues.",
    )
    sqs_region: str = Field(
        "us-east-1",
        pattern=r"^[a-z0-9-]+$",
        description="The region in the ARNs of queues.",
    )
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#\s]+)?$",
        description="The address by which people reach the pages, as `https://rollcall.example.com`; an OpenID "
        "provider leads them back to `/sign-in/provider/answer` there.",
    )
    oidc_issuer: str = Field(
        "",
        pattern=rf"^(https://[^?#\s]+|http://({_LOOPBACK})(:\d+)?(/[^?#\s]*)?)?$",
        description="The OpenID provider where people may sign in, as it calls itself; empty: they sign in with keys "
        "alone.",
    )
    oidc_client_id: str = Field("", description="What the provider calls this service.")
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="By which the provider knows this service; at least 16 characters."
    )
    oidc_scopes: str = Field(
        "openid email profile",
        pattern=r"^(\S+ )*openid( \S+)*$",
        description="What the provider is asked for, `openid` among it; some want a scope for groups.",
    )
    oidc_groups_claim: str = Field("groups", min_length=1, description="The claim that says who is in which groups.")
    oidc_group_scopes: str = Field(
        "",
        description='JSON, the scopes of each group: `{"hr": ["read", "upload"]}`. Who is in none of them does not '
        "come in.",
    )
    oidc_name_claim: str = Field(
        "email",
        min_length=1,
        description="The claim by which a person is called as a caller, `person:ada@example.com`; one of which the "
        "provider lets no two people have the same.",
    )
    oidc_session_hours: float = Field(
        12,
        gt=0,
        le=24 * 7,
        description="How long somebody is signed in before the provider is asked again.",
    )
    failpoints: str = Field(
        "", description="JSON that names places in the code and what happens there.", json_schema_extra=FOR_TESTS
    )

    @property
    def most_rejects(self) -> int:
        """The largest `maxRejects` that may be said."""
        return max(self.max_rejects, self.max_rejects_ceiling)

    @property
    def networks_pushed_to(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return _networks(self.push_networks)

    @field_validator("push_networks")
    @classmethod
    def _are_networks(cls, given: str) -> str:
        _networks(given)
        return given

    @property
    def has_provider(self) -> bool:
        return bool(self.oidc_issuer) and self.authentication == "on"

    @property
    def is_public_by_tls(self) -> bool:
        return self.public_url.startswith("https:")

    @property
    def scopes_of_groups(self) -> dict[str, list[str]]:
        return msgspec.json.decode(self.oidc_group_scopes, type=dict[str, list[str]]) if self.oidc_group_scopes else {}

    @field_validator("oidc_group_scopes")
    @classmethod
    def _has_scopes_that_there_are(cls, given: str) -> str:
        """Raises ValueError."""
        try:
            groups = msgspec.json.decode(given, type=dict[str, list[str]]) if given else {}
        except msgspec.DecodeError:
            raise ValueError('no JSON of groups and their scopes, as {"hr": ["read", "upload"]}') from None
        if wrong := invalid_scopes(scope for scopes in groups.values() for scope in scopes):
            raise ValueError(f"no such scope: {', '.join(wrong)}")
        return given

    @model_validator(mode="after")
    def _has_what_a_provider_needs(self) -> ApiSettings:
        if self.oidc_issuer:
            needed = ("public_url", "oidc_client_id", "oidc_client_secret", "oidc_group_scopes")
            empty = [name for name in needed if str(getattr(self, name) or "") == ""]
            lacking = [f"ROLLCALL_API_{name.upper()}" for name in empty]
            if lacking:
                raise ValueError(f"ROLLCALL_API_OIDC_ISSUER is set, and needs {', '.join(lacking)} too")
            if len(self.oidc_client_secret.get_secret_value()) < LEAST_CLIENT_SECRET_CHARACTERS:
                raise ValueError("ROLLCALL_API_OIDC_CLIENT_SECRET is too short: let the provider make one")
        return self

    @field_validator("sqs_secret")
    @classmethod
    def _is_long_enough_to_sign_with(cls, given: SecretStr) -> SecretStr:
        if 0 < len(given.get_secret_value()) < LEAST_KEY_CHARACTERS:
            raise ValueError(f"fewer than {LEAST_KEY_CHARACTERS} characters; make one: openssl rand -hex 32")
        return given

    @classmethod
    def from_environment(cls) -> ApiSettings:
        """Raises pydantic's ValidationError, which names each variable that is missing or wrong."""
        return cls.model_validate({})


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Raises `ValueError`."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())
