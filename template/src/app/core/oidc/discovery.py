"""What the provider says about itself: its endpoints and its keys, kept for a while."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
import structlog
from jwt.algorithms import AllowedPublicKeys

from app.core.oidc.settings import OidcSettings
from app.core.oidc.transport import Transport
from app.core.oidc_errors import ProviderTokenInvalid, ProviderUnavailable

WELL_KNOWN: Final = "/.well-known/openid-configuration"

_KEY_TYPES: Final = {"RS256": "RSA", "ES256": "EC"}
_MIN_RSA_BITS: Final = 2048
_MAX_KEYS: Final = 64

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the provider, and the one algorithm that it is for."""

    algorithm: str
    public: AllowedPublicKeys


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider as it described itself at one moment."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    names_itself: bool
    """Whether its answers carry `iss` (RFC 9207)."""
    posts_secret: bool
    """Whether it takes the client's secret in the form alone."""
    keys: Mapping[str, Key]
    fetched_at: float
    """On the monotonic clock."""


class Discovery:
    """Fetches the provider's description when it is first needed, when it has grown old, and for an unknown key.

    However many tokens name keys that nobody has, there is at most one fetch in `keys_interval`.
    """

    def __init__(self, settings: OidcSettings, transport: Transport) -> None:
        self._issuer = settings.issuer
        self._transport = transport
        self._ttl_seconds = settings.keys_ttl.total_seconds()
        self._interval_seconds = settings.keys_interval.total_seconds()
        self._known: Provider | None = None
        self._not_before = 0.0
        self._fetching = asyncio.Lock()

    async def provider(self) -> Provider:
        """Return the description, no older than `keys_ttl`.

        Raises:
            ProviderUnavailable: there is none, and the provider gives none now.
        """
        known = self._fresh()
        return known if known is not None else await self._fetch(self._known)

    async def key(self, kid: str) -> Key:
        """Return the key that a token names.

        Raises:
            ProviderTokenInvalid: the provider has no such key.
            ProviderUnavailable: its keys are not known, and it does not give them now.
        """
        provider = await self.provider()
        if kid not in provider.keys and time.monotonic() >= self._not_before:
            # It may have begun to sign with another one since.
            provider = await self._fetch(provider)
        key = provider.keys.get(kid)
        if key is None:
            raise ProviderTokenInvalid
        return key

    def _fresh(self) -> Provider | None:
        known = self._known
        if known is None or time.monotonic() - known.fetched_at > self._ttl_seconds:
            return None
        return known

    async def _fetch(self, seen: Provider | None) -> Provider:
        async with self._fetching:
            if self._known is not seen and self._known is not None:
                # Somebody else has fetched it while this one waited.
                return self._known
            if time.monotonic() < self._not_before:
                fresh = self._fresh()
                if fresh is None:
                    raise ProviderUnavailable
                return fresh
            try:
                self._known = await self._described()
            finally:
                self._not_before = time.monotonic() + self._interval_seconds
            return self._known

    async def _described(self) -> Provider:
        url = f"{self._issuer.rstrip('/')}{WELL_KNOWN}"
        status, document = await self._transport.get(url)
        if status != 200 or document.get("issuer") != self._issuer:
            log.error("provider_misconfigured", status=status, issuer=document.get("issuer"))
            raise ProviderUnavailable("Its discovery document is of another issuer.")
        checked = self._transport.checked
        status, keys = await self._transport.get(checked(document.get("jwks_uri")))
        if status != 200:
            raise ProviderUnavailable
        userinfo = document.get("userinfo_endpoint")
        end_session = document.get("end_session_endpoint")
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Provider(
            authorization_endpoint=checked(document.get("authorization_endpoint")),
            token_endpoint=checked(document.get("token_endpoint")),
            userinfo_endpoint=None if userinfo is None else checked(userinfo),
            end_session_endpoint=None if end_session is None else checked(end_session),
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
            posts_secret="client_secret_basic" not in methods and "client_secret_post" in methods,
            keys=_usable(keys),
            fetched_at=time.monotonic(),
        )


def _usable(document: dict[str, Any]) -> Mapping[str, Key]:
    listed = document.get("keys")
    usable = {}
    for item in listed[:_MAX_KEYS] if isinstance(listed, list) else []:
        kid = item.get("kid") if isinstance(item, dict) else None
        key = _key(item) if isinstance(kid, str) else None
        if key is not None:
            usable[str(kid)] = key
    return usable


def _key(item: dict[str, Any]) -> Key | None:
    # What is for encryption, or for an algorithm that is not accepted, verifies nothing here.
    for algorithm, kind in _KEY_TYPES.items():
        if item.get("kty") != kind or item.get("alg", algorithm) != algorithm:
            continue
        if item.get("use", "sig") != "sig" or (kind == "EC" and item.get("crv") != "P-256"):
            continue
        public: dict[str, Any] = {
            name: item[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in item
        }
        try:
            key = jwt.PyJWK(public, algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return None if getattr(key, "key_size", 0) < _min_bits(kind) else Key(algorithm, key)
    return None


def _min_bits(kind: str) -> int:
    return _MIN_RSA_BITS if kind == "RSA" else 256
