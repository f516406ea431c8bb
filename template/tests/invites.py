"""Invites, from the mail that carries one to the account that comes of it."""

import secrets
from typing import Final

from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from tests.factories import SignedIn
from tests.mailbox import Mailbox

LOOKUP: Final = "/api/v1/invites/lookup"


def address() -> str:
    """Return an address that nobody has."""
    return f"i-{secrets.token_hex(6)}@example.test"


async def token_of(owner: SignedIn, mailbox: Mailbox, email: str, role: str = "member") -> str:
    """Invite an address, and return the token of its mail."""
    answer = await owner.post("/invites", {"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return await mailbox.token(email)


async def set_status(database: Database, tenant: Tenant, *path: TenantStatus) -> None:
    """Take a tenant through states, one after the other."""
    async with database.lobby() as lobby:
        for status in path:
            await lobby.execute(
                update(Tenant).where(col(Tenant.id) == tenant.id).values(status=status)
            )


async def user_of(database: Database, email: str) -> User | None:
    """Return who has an address."""
    async with database.lobby() as lobby:
        return await lobby.scalar(select(User).where(col(User.email) == email))
