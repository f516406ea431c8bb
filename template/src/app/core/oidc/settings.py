"""Where the identity provider is, and what is taken from it."""

from datetime import timedelta
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from app.core.sections import FromJson, Host, Section, is_url

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_MAX_ISSUER: Final = 512


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def _issuer(value: str) -> str:
    if not is_url(value, "https") and not (is_url(value, "http") and is_loopback(value)):
        raise ValueError("must look like https://login.example.com; plain http is for this machine")
    parts = urlsplit(value)
    if parts.query or parts.fragment or parts.username or len(value) > _MAX_ISSUER:
        raise ValueError("must have no query, no fragment and no user")
    # Compared letter by letter with `iss` (OpenID Connect Discovery, 4.3): a slash at the end counts.
    return value


def _scopes(value: str) -> str:
    if "openid" not in value.split():
        raise ValueError("must contain openid, or the provider issues no ID token")
    return value


class OidcSettings(Section):
    """One identity provider, which speaks OpenID Connect."""

    issuer: Annotated[str, AfterValidator(_issuer)]
    """As the provider writes it into its tokens; its discovery document lies below."""
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: Annotated[SecretStr, Field(min_length=1)] | None = None
    """Without it the client is a public one, which PKCE protects alone."""
    scopes: Annotated[str, AfterValidator(_scopes)] = "openid email profile"
    audience: Annotated[str, Field(min_length=1)] | None = None
    """What `aud` of the provider's access tokens is for this API; without it none is accepted."""
    authorized_clients: Annotated[tuple[str, ...], FromJson] = ()
    """Clients beside `client_id` whose access tokens are accepted."""
    trusted_hosts: Annotated[tuple[Host, ...], FromJson] = ()
    """Hosts beside the issuer's that its discovery document may send this service to."""
    timeout: timedelta = timedelta(seconds=5)
    """The longest that one answer of the provider is waited for."""
    keys_ttl: timedelta = timedelta(minutes=10)
    """How long the provider's keys are believed before they are fetched again."""
    keys_interval: timedelta = timedelta(seconds=10)
    """The least between two fetches, whatever `kid` a token names."""
    sign_in_ttl: timedelta = timedelta(minutes=10)
    """How long a person may take at the provider."""

    @model_validator(mode="after")
    def _keys_that_can_be_fetched_again(self) -> Self:
        if self.keys_ttl < self.keys_interval:
            raise ValueError(
                "OIDC__KEYS_TTL: must be no less than OIDC__KEYS_INTERVAL, or there are no keys in between"
            )
        return self

    @model_validator(mode="after")
    def _tokens_that_differ(self) -> Self:
        if self.audience == self.client_id:
            raise ValueError(
                "OIDC__AUDIENCE: must differ from OIDC__CLIENT_ID, which is the audience of ID tokens:"
                " one could pass for an access token"
            )
        return self
