"""Access tokens: signed, short-lived, checked without a look-up (RFC 7519, RFC 8725, RFC 9068)."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import UUID, uuid4

import jwt

from app.core.errors import Unauthenticated
from app.core.roles import Role
from app.core.security.token_settings import TokenSettings

_ALGORITHM: Final = "HS256"
_HEADER_TYPE: Final = "at+jwt"
_CLAIM_TYPE: Final = "access"
_HEADER_NAMES: Final = frozenset({"alg", "kid", "typ"})
_MAX_LENGTH: Final = 2048
# PyJWT also takes base64 padding; one token has one spelling here.
_SHAPE: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_REMEMBERED: Final = 4096
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says. Whether it still holds, the database decides at admission."""

    user_id: UUID
    session_id: UUID
    token_id: UUID
    tenant_id: UUID | None
    """`None` in a lobby token, as are `tenant_slug` and `role`."""
    tenant_slug: str | None
    role: Role | None
    """The role at the time of issue: for display, never for a decision."""
    actor_id: UUID | None
    """The superuser who assumes this identity (`act`, RFC 8693)."""
    issued_at: int
    """Seconds since the epoch."""
    expires_at: int
    """Seconds since the epoch."""


class AccessTokens:
    """Issues and verifies access tokens with the keys of the settings."""

    def __init__(self, settings: TokenSettings) -> None:
        self._keys = {kid: key.get_secret_value().encode() for kid, key in settings.keys.items()}
        self._kid = settings.active_kid
        self._issuer = settings.issuer
        self._audience = settings.audience
        self._ttl_seconds = int(settings.access_ttl.total_seconds())
        self._assumed_ttl_seconds = int(settings.assumed_ttl.total_seconds())
        self._skew_seconds = settings.clock_skew.total_seconds()
        # A verified token stays verified until it expires: keys and token are immutable. Only
        # valid tokens are remembered, because exceptions are not.
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._decode)

    def issue(
        self,
        *,
        user_id: UUID,
        session_id: UUID,
        tenant_id: UUID | None = None,
        tenant_slug: str | None = None,
        role: Role | None = None,
        actor_id: UUID | None = None,
    ) -> tuple[str, int]:
        """Return a token and how many seconds it is valid; an assumed identity's is shorter."""
        ttl_seconds = self._assumed_ttl_seconds if actor_id else self._ttl_seconds
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": str(uuid4()),
            "typ": _CLAIM_TYPE,
            "iat": now,
            "exp": now + ttl_seconds,
        }
        if tenant_id is not None:
            claims |= {"tid": str(tenant_id), "tslug": tenant_slug, "role": role}
        if actor_id is not None:
            claims["act"] = {"sub": str(actor_id)}
        header = {"kid": self._kid, "typ": _HEADER_TYPE}
        return jwt.encode(claims, self._keys[self._kid], _ALGORITHM, headers=header), ttl_seconds

    def verify(self, token: str) -> AccessClaims:
        """Return the claims of a token that this service issued and that has not expired.

        Raises:
            Unauthenticated: anything else; the answer does not say what was wrong.
        """
        if len(token) > _MAX_LENGTH:
            raise Unauthenticated
        try:
            claims = self._remembered(token)
        except (jwt.PyJWTError, ValueError):
            raise Unauthenticated from None
        if claims.expires_at <= time.time() - self._skew_seconds:
            raise Unauthenticated
        return claims

    def _decode(self, token: str) -> AccessClaims:
        if _SHAPE.fullmatch(token) is None:
            raise ValueError("shape")
        header = jwt.get_unverified_header(token)
        # Exactly the header that `issue` writes: no embedded or linked key, no other type of token.
        if header.keys() != _HEADER_NAMES or header["typ"] != _HEADER_TYPE:
            raise ValueError("header")
        key = self._keys.get(header["kid"])
        if key is None:
            raise ValueError("kid")
        return _claims(
            jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=self._skew_seconds,
                options={"strict_aud": True, "require": ["iss", "aud", "iat", "exp"]},
            )
        )


def _claims(payload: Mapping[str, Any]) -> AccessClaims:
    if payload.get("typ") != _CLAIM_TYPE:
        raise ValueError("typ")
    tenant_id, tenant_slug, role = (payload.get(name) for name in ("tid", "tslug", "role"))
    if (tenant_id is None) != (role is None):
        raise ValueError("role")
    actor = payload.get("act")
    return AccessClaims(
        user_id=_uuid(payload.get("sub")),
        session_id=_uuid(payload.get("sid")),
        token_id=_uuid(payload.get("jti")),
        tenant_id=None if tenant_id is None else _uuid(tenant_id),
        tenant_slug=None if tenant_slug is None else _typed(tenant_slug, str),
        role=None if role is None else Role(role),
        actor_id=None if actor is None else _uuid(_typed(actor, dict).get("sub")),
        issued_at=_seconds(payload["iat"]),
        expires_at=_seconds(payload["exp"]),
    )


def _uuid(value: object) -> UUID:
    text = _typed(value, str)
    parsed = UUID(text)
    if str(parsed) != text:
        raise ValueError("uuid")
    return parsed


def _seconds(value: object) -> int:
    number = _typed(value, int)
    if not 0 <= number <= _LAST_SECOND:
        raise ValueError("seconds")
    return number


def _typed[T](value: object, kind: type[T]) -> T:
    # Not isinstance: `true` is no number of seconds.
    if type(value) is not kind:
        raise ValueError(kind.__name__)
    return value
