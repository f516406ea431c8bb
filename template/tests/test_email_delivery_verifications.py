"""Mails with the tokens of registrations and forgotten passwords."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.core.identifiers import utcnow
from app.core.security.opaque_tokens import digest
from app.core.settings import Settings
from app.models.public.email_verifications import EmailVerification, VerificationPurpose
from app.models.public.tenants import TenantStatus
from app.models.public.users import User
from app.repositories.public.users import UserRepository
from app.services.background_work import BackgroundWork
from app.services.workflow_requests import Mail
from tests import background
from tests.mailbox import token_in
from tests.post_office import PostOffice

pytestmark = pytest.mark.thorough

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def work(settings: Settings) -> AsyncIterator[BackgroundWork]:
    async with background.working(settings) as work:
        yield work


@pytest.fixture(scope="module")
def post(work: BackgroundWork, settings: Settings) -> PostOffice:
    return PostOffice(work, settings)


@pytest.fixture(scope="module")
async def user(work: BackgroundWork) -> User:
    return await background.add_user(work)


@pytest.fixture(scope="module")
async def tenant_id(work: BackgroundWork, user: User) -> UUID:
    return (await background.add_tenant(work, user, TenantStatus.PENDING)).id


async def add_verification(work: BackgroundWork, user: User, **changes: Any) -> UUID:
    row = EmailVerification(
        **{
            "user_id": user.id,
            "purpose": VerificationPurpose.VERIFY_EMAIL,
            "expires_at": utcnow() + 24 * HOUR,
            **changes,
        }
    )
    async with work.database.lobby() as lobby:
        await lobby.add(row)
    return row.id


async def stored_hash(work: BackgroundWork, id: UUID) -> bytes | None:
    async with work.database.lobby() as lobby:
        return await lobby.scalar(
            select(col(EmailVerification.token_hash)).where(col(EmailVerification.id) == id)
        )


@pytest.mark.parametrize(
    ("mail", "purpose", "path"),
    [
        (Mail.VERIFY_EMAIL, VerificationPurpose.VERIFY_EMAIL, "verify-email"),
        (Mail.CONFIRM_TENANT, VerificationPurpose.VERIFY_EMAIL, "verify-email"),
        (Mail.RESET_PASSWORD, VerificationPurpose.RESET_PASSWORD, "reset-password"),
    ],
)
async def test_a_verification_carries_the_token_whose_digest_is_stored(
    work: BackgroundWork,
    post: PostOffice,
    user: User,
    tenant_id: UUID,
    mail: Mail,
    purpose: VerificationPurpose,
    path: str,
) -> None:
    id = await add_verification(work, user, purpose=purpose, tenant_id=tenant_id)

    message = await post.deliver(await post.request(mail, id))

    assert message is not None
    assert message.to == user.email
    assert "Ada Lovelace" in message.text
    token = token_in(message)
    assert f"testserver/{path}?token={token}" in message.text
    assert await stored_hash(work, id) == digest(token)


async def test_the_name_of_the_registration_is_used(
    work: BackgroundWork, post: PostOffice, user: User, tenant_id: UUID
) -> None:
    id = await add_verification(work, user, tenant_id=tenant_id, full_name="Augusta King")

    message = await post.deliver(await post.request(Mail.VERIFY_EMAIL, id))

    assert message is not None
    assert "Augusta King" in message.text


@pytest.mark.parametrize("mail", [Mail.VERIFY_EMAIL, Mail.CONFIRM_TENANT])
@pytest.mark.parametrize("proven", [False, True])
async def test_a_mail_says_what_its_link_does_when_it_is_written(
    work: BackgroundWork, post: PostOffice, tenant_id: UUID, mail: Mail, proven: bool
) -> None:
    user = await background.add_user(work)
    async with work.database.lobby() as lobby:
        users = UserRepository(lobby)
        verified_at = utcnow() if proven else None
        await users.update(await users.get(user.id), {"email_verified_at": verified_at})
    id = await add_verification(work, user, tenant_id=tenant_id)

    message = await post.deliver(await post.request(mail, id))

    assert message is not None
    assert ("your password stay as they are" in message.text) is proven


@pytest.mark.parametrize("changes", [{"used_at": utcnow()}, {"expires_at": utcnow() - HOUR}])
async def test_nothing_is_sent_for_a_verification_that_is_over(
    work: BackgroundWork, post: PostOffice, user: User, changes: dict[str, Any]
) -> None:
    id = await add_verification(work, user, **changes)

    assert await post.deliver(await post.request(Mail.VERIFY_EMAIL, id)) is None
    assert await stored_hash(work, id) is None
