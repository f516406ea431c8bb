"""`SendEmail` under time skipping, over a real SMTP server that is down, refuses, or takes the mail."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from app.core.identifiers import uuid7
from app.core.settings import Settings
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from app.services.background_work import BackgroundWork
from tests import background, outcomes
from tests.smtp_server import SmtpServer
from tests.temporal.running import attempts, await_attempt, ended_at, start, worker

pytestmark = pytest.mark.slow


@pytest.fixture
def post() -> SmtpServer:
    return SmtpServer()


@pytest.fixture
async def work(separate: Settings, post: SmtpServer) -> AsyncIterator[BackgroundWork]:
    async with background.working(post.used_by(separate)) as work:
        yield work


async def test_a_mail_is_sent_and_its_history_holds_no_secret(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, post: SmtpServer
) -> None:
    invite, requested = await background.request_mail(work)

    async with post.open(), worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.id, task_queue)
        await handle.result()

    [mail] = post.received
    assert invite.email in mail
    token = mail.partition("Token: ")[2].split()[0]
    history = (await handle.fetch_history()).to_json()
    assert token not in history
    assert invite.email not in history
    await outcomes.assert_completed(work, requested.id)


async def test_a_mail_waits_for_its_server(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, post: SmtpServer
) -> None:
    _, requested = await background.request_mail(work)

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.id, task_queue)
        await await_attempt(handle, 2, "send_email")
        async with post.open():
            await handle.result()

    assert len(post.received) == 1
    await outcomes.assert_completed(work, requested.id)


async def test_a_server_that_stays_down_is_given_up_after_a_day(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    _, requested = await background.request_mail(work)
    began = await time_skipping.get_current_time()

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.id, task_queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()

    waited = await ended_at(handle) - began
    assert timedelta(hours=20) < waited < timedelta(hours=28)
    await outcomes.assert_failed(work, requested.id, "send_email: MailDelayed: SMTPConnectError")


async def test_a_mail_that_no_release_knows_is_given_up(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    unknown = WorkflowExecution(
        kind=WorkflowKind.SEND_EMAIL, payload={"mail": "of_tomorrow", "subject": str(uuid7())}
    )
    await background.add(work, unknown)

    async with worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, unknown.id, task_queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()

    error = "send_email: MailDelayed: no such mail in this release: of_tomorrow"
    await outcomes.assert_failed(work, unknown.id, error)


async def test_a_refusal_is_not_tried_again_and_names_no_address(
    time_skipping: WorkflowEnvironment, work: BackgroundWork, post: SmtpServer
) -> None:
    post.refuses = True
    invite, requested = await background.request_mail(work)

    async with post.open(), worker(time_skipping.client, work) as task_queue:
        handle = await start(time_skipping.client, work, requested.id, task_queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()

    assert await attempts(handle, "send_email") == 1
    await outcomes.assert_failed(
        work, requested.id, "send_email: MailRefused: SMTPRecipientsRefused"
    )
    assert invite.email not in (await handle.fetch_history()).to_json()
