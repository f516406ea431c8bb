"""Whom, and which tokens, no route admits."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from sqlalchemy import update
from sqlmodel import col

from app.core.identifiers import utcnow
from app.core.roles import Role
from app.core.security.token_settings import TokenSettings
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenants import TenantStatus
from tests.factories import SignedIn
from tests.mailbox import Mailbox
from tests.routes.requests import World

type Refusal = tuple[int, str]
"""A status, and the `code` of a problem."""

CLOSED: Final[dict[TenantStatus, Refusal]] = {
    TenantStatus.PENDING: (503, "tenant-not-ready"),
    TenantStatus.PROVISIONING: (503, "tenant-not-ready"),
    TenantStatus.FAILED: (503, "tenant-not-ready"),
    TenantStatus.SUSPENDED: (403, "tenant-suspended"),
    TenantStatus.DELETING: (410, "tenant-deleted"),
    TenantStatus.DELETED: (410, "tenant-deleted"),
}
_HOUR_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Intruders:
    """What attacks of every route share."""

    closed: Mapping[TenantStatus, SignedIn]
    """Owners of tenants that are not ready."""
    stranger: SignedIn
    """A member of no tenant."""
    unverified: SignedIn
    ended: SignedIn
    """Whose session was ended."""
    refresh_token: str
    invite_token: str


async def gathered(world: World) -> Intruders:
    """Return intruders in the database of a world."""
    factory, email = world.factory, f"intruder-{secrets.token_hex(6)}@example.test"
    closed = {}
    for status in CLOSED:
        _, closed[status] = await world.tenant(status)
    ended = await factory.signed_in()
    async with world.components.database.lobby() as lobby:
        await lobby.execute(
            update(RefreshToken)
            .where(col(RefreshToken.family_id) == ended.session_id)
            .values(revoked_at=utcnow())
        )
    tokens = await factory.tokens(await factory.user())
    invited = await world.owner.post("/invites", {"email": email, "role": Role.MEMBER})
    invited.raise_for_status()
    return Intruders(
        closed=closed,
        stranger=await factory.signed_in(),
        unverified=await factory.signed_in(verified=False),
        ended=ended,
        refresh_token=tokens["refresh_token"],
        invite_token=await Mailbox(world.components).token(email),
    )


def wrong_tokens(token: str, intruders: Intruders, settings: TokenSettings) -> dict[str, str]:
    """Return what looks like a token, or like this one, and is none."""
    header, payload, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    begun = claims["iat"] - 2 * _HOUR_SECONDS

    def signed(type: str = "at+jwt", **changes: Any) -> str:
        headers = {"kid": settings.active_kid, "typ": type}
        key = settings.keys[settings.active_kid].get_secret_value()
        return jwt.encode(claims | changes, key, "HS256", headers=headers)

    _, other_payload, _ = intruders.stranger.token.split(".")
    return {
        "an expired token": signed(iat=begun, exp=begun + _HOUR_SECONDS),
        "a token whose claims were exchanged": f"{header}.{other_payload}.{signature}",
        "a token without its signature": f"{header}.{payload}.",
        "a token of another type": signed(typ="refresh"),
        "a token with another header": signed("JWT"),
        "a token of a session that was ended": signed(
            sub=str(intruders.ended.user_id), sid=str(intruders.ended.session_id)
        ),
        "a token of somebody else's session": signed(sid=str(intruders.stranger.session_id)),
        "a refresh token": intruders.refresh_token,
        "the token of an invite": intruders.invite_token,
    }
