"""Mails with invites: each is counted for its tenant and for whom it goes to, before the route sees it."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from app.api.dependencies.admission import ValidatedTenant
from app.api.dependencies.attempts import AttemptsDep
from app.api.dependencies.invites import Inviter
from app.schemas import invites


async def _invite(
    body: invites.InviteCreate, _user: Inviter, tenant: ValidatedTenant, attempts: AttemptsDep
) -> invites.InviteCreate:
    await attempts.limiter.enforce("invite_tenant", str(tenant.id))
    await attempts.limiter.enforce("invite_address", str(tenant.id), body.email)
    return body


async def _resend(
    invite_id: UUID, _user: Inviter, tenant: ValidatedTenant, attempts: AttemptsDep
) -> None:
    await attempts.limiter.enforce("invite_tenant", str(tenant.id))
    await attempts.limiter.enforce("invite_address", str(tenant.id), str(invite_id))


InviteCreate = Annotated[invites.InviteCreate, Depends(_invite)]
RESENT = [Depends(_resend)]
