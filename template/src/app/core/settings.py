"""Every setting of the service, read once by `main`, `worker` and `cli` and passed on.

Names come from the environment or from `.env`: a section and a field joined by two underscores, such as
`DATABASE__URL`. Secrets have no default.
"""

import json
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core import about
from app.core.emails import Email

MIN_SECRET_BYTES = 32
ENV_FILES: Final = (".env", ".dev/env")
"""The second is there while `app dev` runs, so that `app migrate` and its like reach its servers."""

type Environment = Literal["dev", "test", "production"]


class SettingsError(Exception):
    """The environment does not describe a service that can start; the message names each setting and why."""


def _is_url(value: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.netloc) and parts.port != 0
    except ValueError:
        # No number where the port is: most likely a password with an unescaped `/`, `#` or `?`.
        return False


def _postgres_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not _is_url(url, "postgresql", "postgres") or not urlsplit(url).username:
        raise ValueError("must look like postgresql://user:password@host:5432/database")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    if not _is_url(value.get_secret_value(), "redis", "rediss"):
        raise ValueError("must look like redis://:password@host:6379/0")
    return value


def _smtp_url(value: SecretStr) -> SecretStr:
    if not _is_url(value.get_secret_value(), "smtp", "smtps", "smtp+starttls"):
        raise ValueError("must look like smtp+starttls://user:password@host:587")
    return value


def _base_url(value: str) -> str:
    if not _is_url(value, "http", "https"):
        raise ValueError("must look like https://app.example.com")
    return value.rstrip("/")


def _limits(value: str) -> str:
    try:
        parse_many(value)
    except ValueError:
        raise ValueError("must look like `5 per 1 minute`, several joined by `;`") from None
    return value


def _from_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be JSON: {"name": "secret"} or ["one", "two"]') from None


PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
SmtpUrl = Annotated[SecretStr, AfterValidator(_smtp_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Limits = Annotated[str, AfterValidator(_limits)]


class Section(BaseModel):
    """A group of settings that cannot change while the service runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _is_no_negative_duration(cls, value: Any) -> Any:
        if isinstance(value, timedelta) and value < timedelta():
            raise ValueError("must not be negative")
        return value


class DatabaseSettings(Section):
    """PostgreSQL: where it is, as whom, and how much of it one process may use."""

    url: PostgresUrl
    """Login role of the application. It owns nothing (docs/security.md)."""
    owner_url: PostgresUrl | None = None
    """DDL role that owns schemas and tables: `migrate`, `worker` and the operator's commands need it."""
    pool_size: PositiveInt = 5
    max_overflow: int = Field(default=10, ge=0)
    """Connections beyond `pool_size`, opened under load and then kept: the limit is the sum of both."""
    pool_timeout: timedelta = timedelta(seconds=5)
    """How long a request waits for a connection before it is answered with 503."""
    recycle_after: timedelta = timedelta(minutes=30)
    """A backend keeps about 0.4 MB per tenant that it touched: connections are replaced at this age."""
    pooler: Literal["none", "transaction"] = "none"
    """`transaction` behind PgBouncer's transaction mode: no statement cache, no start-up parameters."""
    statement_timeout: timedelta = timedelta(seconds=30)
    lock_timeout: timedelta = timedelta(seconds=5)


class RedisSettings(Section):
    """Redis or Valkey, for rate-limit counters only: nothing there must survive."""

    url: RedisUrl
    timeout: timedelta = timedelta(milliseconds=250)
    """How long a request waits for Redis before the in-process fallback decides."""


class TemporalSettings(Section):
    """Temporal, which only the worker talks to."""

    address: str = "127.0.0.1:7233"
    namespace: str = "default"
    task_queue: str = about.SLUG
    poll_interval: timedelta = timedelta(milliseconds=500)
    """How often the worker looks for requested workflow executions."""


class WorkerSettings(Section):
    """The worker process."""

    health_host: str = "127.0.0.1"
    health_port: int = Field(default=8001, ge=0, le=65535)
    """Where `/health/live` and `/health/ready` answer; 0 takes a free port."""
    drain_timeout: timedelta = timedelta(seconds=25)
    """How long running work may take to finish after SIGTERM; what is cut off is repeated by another worker."""


class AuthSettings(Section):
    """Tokens. `keys` holds every key that is still accepted, by its `kid`; `active_kid` signs."""

    keys: Annotated[dict[str, SecretStr], BeforeValidator(_from_json)]
    active_kid: str
    issuer: str = about.SLUG
    audience: str = f"{about.SLUG}-api"
    access_ttl: timedelta = timedelta(minutes=30)
    refresh_ttl: timedelta = timedelta(days=7)
    session_ttl: timedelta = timedelta(days=30)
    """The longest that refreshing can keep one session alive."""
    assumed_ttl: timedelta = timedelta(minutes=15)
    invite_ttl: timedelta = timedelta(days=7)
    verification_ttl: timedelta = timedelta(hours=24)
    reset_ttl: timedelta = timedelta(hours=1)
    clock_skew: timedelta = timedelta(seconds=10)
    password_min_score: int = Field(default=3, ge=0, le=4)
    """zxcvbn's score that a new password must reach: 0 (guessed at once) to 4."""
    hashing_memory_kib: int = Field(default=46 * 1024, ge=7 * 1024)
    """Argon2id with one lane; with one iteration this is OWASP's first choice (Password Storage)."""
    hashing_iterations: PositiveInt = 1
    hashing_concurrency: PositiveInt = 1
    """Argon2 runs at the same time in one process; more of them delay other requests."""

    @model_validator(mode="after")
    def _usable_keys(self) -> Self:
        for kid, key in self.keys.items():
            if len(key.get_secret_value().encode()) < MIN_SECRET_BYTES:
                raise ValueError(
                    f"AUTH__KEYS: the key {kid!r} is shorter than {MIN_SECRET_BYTES} bytes, so tokens"
                    " could be forged by guessing it; make one with"
                    " `python -c 'import secrets; print(secrets.token_urlsafe(48))'`"
                )
        if self.active_kid not in self.keys:
            raise ValueError(
                f"AUTH__ACTIVE_KID: there is no key {self.active_kid!r} in AUTH__KEYS, so nothing"
                " could be signed"
            )
        return self


class MailSettings(Section):
    """Outgoing mail."""

    smtp_url: SmtpUrl
    sender: Email
    timeout: timedelta = timedelta(seconds=20)


class HttpSettings(Section):
    """What is accepted from, and told to, clients."""

    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_from_json)] = ()
    """Networks whose `X-Forwarded-For` is believed. Empty: the peer is the client."""
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_from_json)] = ()
    max_body_bytes: PositiveInt = 1024 * 1024
    max_header_bytes: PositiveInt = 32 * 1024
    drain_timeout: timedelta = timedelta(seconds=25)
    """How long running requests may take to finish after SIGTERM."""


class RateLimitSettings(Section):
    """Limits in the notation of the `limits` library, several joined by `;`."""

    enabled: bool = True
    client: Limits = "20 per 2 second"
    """Each client address: ten a second, with bursts of twenty."""
    tenant: Limits = "100 per 1 second"
    login_account: Limits = "5 per 1 minute"
    login_address: Limits = "20 per 1 minute"
    register_address: Limits = "3 per 1 hour"
    mail_account: Limits = "3 per 1 hour"
    """Verification and reset mails to one account."""
    token_address: Limits = "20 per 1 minute"  # noqa: S105  a limit, no token
    """Attempts at verification, reset and invite tokens."""


class TenantSettings(Section):
    """The life of a tenant."""

    deletion_grace: timedelta = timedelta(days=30)
    """How long a deleted tenant can be restored."""
    pending_ttl: timedelta = timedelta(hours=24)
    """How long a tenant waits for its owner's address to be verified."""
    workflow_retention: timedelta = timedelta(days=90)
    """How long finished workflow executions are kept."""


class LoggingSettings(Section):
    """What is written to standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"
    colors: bool | None = None
    """Of `console`; `None` means when standard output is a terminal."""


class DevSettings(Section):
    """What `app dev` tells the start page. Only read in `dev`."""

    mailbox_url: str | None = None
    temporal_ui_url: str | None = None
    seed_password: SecretStr | None = None


class Settings(BaseSettings):
    """The whole configuration."""

    # Decoded by the fields themselves, so that a value that is no JSON is an error with the field's name.
    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        enable_decoding=False,
        frozen=True,
        extra="ignore",
    )

    environment: Environment = "production"
    public_url: BaseUrl
    """Where people reach the service; links in mails start with it."""
    database: DatabaseSettings
    redis: RedisSettings
    temporal: TemporalSettings = TemporalSettings()
    worker: WorkerSettings = WorkerSettings()
    auth: AuthSettings
    mail: MailSettings
    http: HttpSettings = HttpSettings()
    rate_limits: RateLimitSettings = RateLimitSettings()
    tenants: TenantSettings = TenantSettings()
    logging: LoggingSettings = LoggingSettings()
    dev: DevSettings = DevSettings()


def load_settings(**overrides: Any) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a setting is missing or wrong; one line for each.
    """
    try:
        return Settings(_env_file=ENV_FILES, **overrides)
    except ValidationError as exc:
        errors = exc.errors(include_input=False)
        raise SettingsError("\n".join(line for e in errors for line in _sentences(e))) from None


def _sentences(error: Any) -> list[str]:
    name = "__".join(str(part) for part in error["loc"]).upper()
    if error["type"] == "missing":
        return [
            f"{missing} is not set; .env.example says what it is for."
            for missing in _within(error["loc"])
        ]
    if error["type"].startswith("time_delta"):
        return [f"{name}: must be an ISO 8601 duration such as PT30M or P7D."]
    reason = error["msg"].removeprefix("Value error, ").removesuffix(".")
    return [reason if reason.startswith("AUTH__") else f"{name}: {reason}."]


def _within(location: tuple[str, ...]) -> list[str]:
    # A section that is missing altogether is missing its required fields.
    section = Settings.model_fields[location[0]].annotation
    if len(location) > 1 or not (isinstance(section, type) and issubclass(section, Section)):
        return ["__".join(location).upper()]
    required = [name for name, field in section.model_fields.items() if field.is_required()]
    return [f"{location[0]}__{name}".upper() for name in required]
