"""Mails with invites: each is counted for its tenant and for whom it goes to, before the route sees it."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from app.api.dependencies.admission import ValidatedTenant
from app.api.dependencies.attempts import Attempts, AttemptsDep
from app.api.dependencies.invites import Inviter, InviteRepositoryDep
from app.schemas import invites


async def _invite(
    body: invites.InviteCreate, _user: Inviter, tenant: ValidatedTenant, attempts: AttemptsDep
) -> invites.InviteCreate:
    await _count(attempts, tenant.id, body.email)
    return body


async def _resend(
    invite_id: UUID,
    _user: Inviter,
    tenant: ValidatedTenant,
    repository: InviteRepositoryDep,
    attempts: AttemptsDep,
) -> None:
    invite = await repository.read(tenant.id, invite_id)
    await _count(attempts, tenant.id, invite.email)


async def _count(attempts: Attempts, tenant_id: UUID, email: str) -> None:
    await attempts.limiter.enforce("invite_tenant", str(tenant_id))
    # Of all tenants: somebody who has twenty would flood the address with twenty times as many.
    await attempts.limiter.enforce("invite_address", email)


InviteCreate = Annotated[invites.InviteCreate, Depends(_invite)]
RESENT = [Depends(_resend)]
