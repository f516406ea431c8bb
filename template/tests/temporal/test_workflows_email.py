"""`SendEmail` under time skipping, over a real SMTP server that is down, refuses, or takes the mail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from app.core.identifiers import utcnow
from app.core.settings import Settings
from app.dev.network import reserve_port
from app.models.public.email_verifications import EmailVerification, VerificationPurpose
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution, WorkflowStatus
from app.services.background_work import BackgroundWork
from app.services.workflow_requests import Mail, WorkflowRequests
from tests import background
from tests.temporal.running import attempts, await_attempt, ended_at, start, worker


@dataclass
class PostOffice:
    """An SMTP server on a port that is free until it opens."""

    port: int = field(default_factory=reserve_port)
    refuses: bool = False
    received: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        connections: list[SMTP] = []

        def connect() -> SMTP:
            connections.append(SMTP(self, hostname="localhost"))
            return connections[-1]

        loop = asyncio.get_running_loop()
        async with await loop.create_server(connect, "127.0.0.1", self.port):
            yield
            for connection in connections:
                if connection.transport is not None:
                    connection.transport.close()

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.refuses:
            return f"550 {address} is no user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content.decode())
        return "250 OK"


@pytest.fixture
def post() -> PostOffice:
    return PostOffice()


@pytest.fixture
async def work(separate: Settings, post: PostOffice) -> AsyncIterator[BackgroundWork]:
    smtp_url = SecretStr(f"smtp://127.0.0.1:{post.port}")
    mail = separate.mail.model_copy(update={"smtp_url": smtp_url})
    async with background.working(separate.model_copy(update={"mail": mail})) as work:
        yield work


async def request_mail(work: BackgroundWork) -> tuple[User, WorkflowExecution]:
    user = await background.add_user(work)
    verification = EmailVerification(
        user_id=user.id,
        purpose=VerificationPurpose.VERIFY_EMAIL,
        expires_at=utcnow() + timedelta(hours=24),
    )
    async with work.database.lobby() as lobby:
        await lobby.add(verification)
        return user, await WorkflowRequests(lobby).send_email(Mail.VERIFY_EMAIL, verification.id)


async def test_a_mail_is_sent_and_its_history_holds_no_secret(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, post: PostOffice
) -> None:
    user, requested = await request_mail(work)

    async with post.open(), worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.id, task_queue)
        await handle.result()

    [mail] = post.received
    assert user.email in mail
    token = mail.partition("Token: ")[2].split()[0]
    history = (await handle.fetch_history()).to_json()
    assert token not in history
    assert user.email not in history
    execution = await background.execution(work, requested.id)
    assert execution.status is WorkflowStatus.COMPLETED


async def test_a_mail_waits_for_its_server(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, post: PostOffice
) -> None:
    _, requested = await request_mail(work)

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.id, task_queue)
        await await_attempt(handle, 2, "send_email")
        async with post.open():
            await handle.result()

    assert len(post.received) == 1
    execution = await background.execution(work, requested.id)
    assert execution.status is WorkflowStatus.COMPLETED


async def test_a_server_that_stays_down_is_given_up_after_a_day(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    _, requested = await request_mail(work)
    began = await time_skipping.get_current_time()

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.id, task_queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()

    waited = await ended_at(handle) - began
    assert timedelta(hours=20) < waited < timedelta(hours=28)
    execution = await background.execution(work, requested.id)
    assert execution.status is WorkflowStatus.FAILED
    assert execution.error == "send_email: MailDelayed: SMTPConnectError"


async def test_a_refusal_is_not_tried_again_and_names_no_address(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, post: PostOffice
) -> None:
    post.refuses = True
    user, requested = await request_mail(work)

    async with post.open(), worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.id, task_queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()

    assert await attempts(handle, "send_email") == 1
    execution = await background.execution(work, requested.id)
    assert execution.status is WorkflowStatus.FAILED
    assert execution.error == "send_email: MailRefused: SMTPRecipientsRefused"
    assert user.email not in (await handle.fetch_history()).to_json()
