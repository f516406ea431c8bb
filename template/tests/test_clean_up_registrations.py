"""What the clean-up removes of registrations, and what it keeps."""

import secrets
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.core.identifiers import utcnow
from app.models.public.email_verifications import EmailVerification, VerificationPurpose
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from app.services.background_work import BackgroundWork
from tests import background

pytestmark = pytest.mark.thorough

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
async def user(work: BackgroundWork) -> User:
    return await background.add_user(work)


async def kept(work: BackgroundWork, *rows: EmailVerification) -> list[bool]:
    async with work.database.lobby() as lobby:
        ids = await lobby.scalars(select(col(EmailVerification.id)))
    return [row.id in ids for row in rows]


def verification(user: User, age: timedelta, *, tenant: Tenant | None = None) -> EmailVerification:
    return EmailVerification(
        user_id=user.id,
        tenant_id=tenant.id if tenant else None,
        purpose=VerificationPurpose.VERIFY_EMAIL,
        expires_at=utcnow() - age,
    )


def pending_tenant(age: timedelta) -> Tenant:
    slug = f"t-{secrets.token_hex(6)}"
    return Tenant(
        slug=slug,
        name="Forgotten",
        status=TenantStatus.PENDING,
        schema_name=f"x_{secrets.token_hex(6)}",
        created_at=utcnow() - age,
    )


async def test_keeps_verifications_that_can_be_sent_again(work: BackgroundWork, user: User) -> None:
    live, lapsed, old = (verification(user, age) for age in (-DAY, DAY / 2, 2 * DAY))
    await background.add(work, live, lapsed, old)

    await work.clean_up.run()

    assert await kept(work, live, lapsed, old) == [True, True, False]


async def test_deletes_tenants_that_nobody_confirmed(work: BackgroundWork, user: User) -> None:
    new, forgotten, resent = (pending_tenant(age) for age in (DAY / 2, 1.5 * DAY, 1.5 * DAY))
    held = pending_tenant(2.5 * DAY)
    # Their mails were sent again an hour ago.
    open_ones = [verification(user, -DAY, tenant=tenant) for tenant in (resent, held)]
    await background.add(work, new, forgotten, resent, held, *open_ones)

    await work.clean_up.run()

    statuses = [
        (await background.tenant(work, t.id)).status for t in (new, resent, forgotten, held)
    ]
    assert statuses == [TenantStatus.PENDING] * 2 + [TenantStatus.DELETED] * 2
    assert await background.actions(work, forgotten.id) == ["tenant.deleted"]
