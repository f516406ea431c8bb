"""Which mail goes to whom, with which token, and when none goes."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, select
from sqlmodel import col

from app.core.identifiers import utcnow, uuid7
from app.core.mail import MailDelayed
from app.core.roles import Role
from app.core.security.opaque_tokens import digest
from app.core.settings import Settings
from app.models.public.tenant_invites import InviteStatus, TenantInvite
from app.models.public.tenants import TenantStatus
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
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
    return (await background.add_tenant(work, user, TenantStatus.READY)).id


async def add_invite(work: BackgroundWork, user: User, tenant_id: UUID, **changes: Any) -> UUID:
    row = TenantInvite(
        **{
            "tenant_id": tenant_id,
            "email": f"guest-{secrets.token_hex(4)}@example.test",
            "role": Role.ADMIN,
            "invited_by": user.id,
            "expires_at": utcnow() + 7 * 24 * HOUR,
            **changes,
        }
    )
    async with work.database.lobby() as lobby:
        await lobby.add(row)
    return row.id


async def stored_hash(work: BackgroundWork, id: UUID) -> bytes | None:
    async with work.database.lobby() as lobby:
        return await lobby.scalar(
            select(col(TenantInvite.token_hash)).where(col(TenantInvite.id) == id)
        )


async def test_an_invite_goes_to_the_invited_address(
    work: BackgroundWork, post: PostOffice, user: User, tenant_id: UUID
) -> None:
    id = await add_invite(work, user, tenant_id, email="guest@example.test")

    message = await post.deliver(await post.request(Mail.INVITE, id, tenant_id=tenant_id))

    assert message is not None
    assert message.to == "guest@example.test"
    assert "Analytical Engines" in message.text
    assert await stored_hash(work, id) == digest(token_in(message))


async def test_a_mail_of_a_newer_release_is_left_to_it(work: BackgroundWork) -> None:
    payload = {"mail": "of_tomorrow", "subject": str(uuid7())}
    execution = WorkflowExecution(kind=WorkflowKind.SEND_EMAIL, payload=payload)
    await background.add(work, execution)

    with pytest.raises(MailDelayed, match="of_tomorrow"):
        await work.email_delivery.send(execution.id)

    assert not await background.have_ended(work, execution.id)
    # Other tests have all mail delivered.
    async with work.database.lobby() as lobby:
        await lobby.execute(
            delete(WorkflowExecution).where(col(WorkflowExecution.id) == execution.id)
        )


async def test_a_welcome_names_the_tenant(post: PostOffice, user: User, tenant_id: UUID) -> None:
    message = await post.deliver(await post.request(Mail.WELCOME, user.id, tenant_id=tenant_id))

    assert message is not None
    assert message.to == user.email
    assert "Analytical Engines" in message.text


async def test_a_retry_sends_the_same_token(
    work: BackgroundWork, post: PostOffice, user: User, tenant_id: UUID
) -> None:
    execution_id = await post.request(Mail.INVITE, await add_invite(work, user, tenant_id))

    first, second = await post.deliver(execution_id), await post.deliver(execution_id)

    assert first is not None
    assert second is not None
    assert token_in(first) == token_in(second)


async def test_a_new_key_keeps_the_token_that_was_sent(
    work: BackgroundWork, post: PostOffice, user: User, tenant_id: UUID
) -> None:
    execution_id = await post.request(Mail.INVITE, await add_invite(work, user, tenant_id))
    first = await post.deliver(execution_id)
    new = {"new": SecretStr(secrets.token_urlsafe(48))}
    rotated = post.settings.auth.model_copy(
        update={"keys": post.settings.auth.keys | new, "active_kid": "new"}
    )

    second = await post.deliver(execution_id, rotated)

    assert first is not None
    assert second is not None
    assert token_in(first) == token_in(second)


async def test_a_token_of_a_removed_key_is_replaced(
    work: BackgroundWork, post: PostOffice, user: User, tenant_id: UUID
) -> None:
    id = await add_invite(work, user, tenant_id)
    execution_id = await post.request(Mail.INVITE, id)
    await post.deliver(execution_id)
    new = {"new": SecretStr(secrets.token_urlsafe(48))}
    rotated = post.settings.auth.model_copy(update={"keys": new, "active_kid": "new"})

    second = await post.deliver(execution_id, rotated)

    assert second is not None
    assert await stored_hash(work, id) == digest(token_in(second))


@pytest.mark.parametrize(
    "changes", [{"status": InviteStatus.CANCELLED}, {"expires_at": utcnow() - HOUR}]
)
async def test_nothing_is_sent_for_an_invite_that_is_over(
    work: BackgroundWork,
    post: PostOffice,
    user: User,
    tenant_id: UUID,
    changes: dict[str, Any],
) -> None:
    id = await add_invite(work, user, tenant_id, **changes)

    assert await post.deliver(await post.request(Mail.INVITE, id)) is None


async def test_nothing_is_sent_for_a_sender_who_may_not_invite_any_more(
    work: BackgroundWork, post: PostOffice, tenant_id: UUID
) -> None:
    left = await background.add_user(work)

    for sender in (left.id, None):
        id = await add_invite(work, left, tenant_id, invited_by=sender)
        assert await post.deliver(await post.request(Mail.INVITE, id)) is None


@pytest.mark.parametrize("mail", list(Mail))
async def test_nothing_is_sent_about_what_is_gone(post: PostOffice, mail: Mail) -> None:
    assert await post.deliver(await post.request(mail, uuid7())) is None


async def test_nothing_is_sent_for_an_execution_that_has_ended(
    work: BackgroundWork, post: PostOffice, user: User, tenant_id: UUID
) -> None:
    execution_id = await post.request(Mail.INVITE, await add_invite(work, user, tenant_id))
    await work.outcomes.complete(execution_id)

    assert await post.deliver(execution_id) is None


async def test_no_row_holds_the_token(
    work: BackgroundWork, post: PostOffice, user: User, tenant_id: UUID
) -> None:
    execution_id = await post.request(Mail.INVITE, await add_invite(work, user, tenant_id))

    message = await post.deliver(execution_id)

    assert message is not None
    execution = await background.execution(work, execution_id)
    assert token_in(message) not in str(execution.model_dump())
    assert user.email not in str(execution.model_dump())
