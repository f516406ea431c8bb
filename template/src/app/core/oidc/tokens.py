"""The provider's tokens: signature and claims (OpenID Connect Core 3.1.3.7, RFC 8725, RFC 9068)."""

import hmac
import re
from typing import Any, Final

import jwt

from app.core.oidc.discovery import Discovery
from app.core.oidc.settings import OidcSettings
from app.core.oidc_errors import ProviderTokenInvalid

MAX_LENGTH: Final = 16 * 1024
"""Characters of a token; longer ones are refused before any work."""

_ALGORITHMS: Final = ("RS256", "ES256")
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_SHAPE: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_MAX_SUBJECT: Final = 255

type Claims = dict[str, Any]


class ProviderTokens:
    """Verifies tokens. Each method raises `ProviderTokenInvalid` and does not say what was wrong."""

    def __init__(
        self, settings: OidcSettings, discovery: Discovery, *, skew_seconds: float
    ) -> None:
        self._issuer = settings.issuer
        self._client_id = settings.client_id
        self._audience = settings.audience
        self._clients = {settings.client_id, *settings.authorized_clients}
        self._discovery = discovery
        self._skew_seconds = skew_seconds

    async def verify_id_token(self, token: str, *, nonce: str) -> Claims:
        """Return the claims of an ID token that was issued to this client for this sign-in."""
        claims = await self._verified(token, self._client_id)
        presenter = claims.get("azp")
        audiences = claims["aud"]
        if presenter is None and isinstance(audiences, list) and len(audiences) > 1:
            raise ProviderTokenInvalid
        if presenter not in (None, self._client_id):
            raise ProviderTokenInvalid
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise ProviderTokenInvalid
        return claims

    async def verify_access_token(self, token: str) -> Claims:
        """Return the claims of an access token for this API, from a client that is authorized."""
        if self._audience is None:
            raise ProviderTokenInvalid("This service accepts no tokens of the identity provider.")
        claims = await self._verified(token, self._audience)
        named = [claims[name] for name in ("azp", "client_id") if name in claims]
        if not named or any(not self._is_authorized(client) for client in named):
            raise ProviderTokenInvalid
        return claims

    def _is_authorized(self, client: object) -> bool:
        return isinstance(client, str) and client in self._clients

    async def _verified(self, token: str, audience: str) -> Claims:
        if len(token) > MAX_LENGTH or _SHAPE.fullmatch(token) is None:
            raise ProviderTokenInvalid
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise ProviderTokenInvalid from None
        key = await self._discovery.key(_kid(header))
        if header["alg"] != key.algorithm:
            raise ProviderTokenInvalid
        try:
            claims: Claims = jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=audience,
                leeway=self._skew_seconds,
                options={"require": ["iss", "aud", "sub", "iat", "exp"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise ProviderTokenInvalid from None
        if not _is_subject(claims["sub"]):
            raise ProviderTokenInvalid
        return claims


def _kid(header: dict[str, Any]) -> str:
    # Keys come from discovery alone: `jwk`, `jku` and `x5u` of the header are not even looked at.
    kid, kind = header.get("kid"), header.get("typ", "JWT")
    if not isinstance(kid, str) or not isinstance(kind, str) or "crit" in header:
        raise ProviderTokenInvalid
    if header.get("alg") not in _ALGORITHMS or kind.lower() not in _TYPES:
        raise ProviderTokenInvalid
    return kid


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_SUBJECT and value.isprintable()
