"""One attempt at a time: what it leads to, and when the next one is due."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from app.core.identifiers import uuid7
from app.core.logging import configure_logging
from app.core.settings import Settings
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_queue import QueuedExecution
from app.services.background_work import BackgroundWork
from app.services.workflow_attempts import (
    HOURS,
    MINUTES,
    Again,
    Ended,
    NotBegun,
    Retries,
    WorkflowAttempts,
)
from tests import background, outcomes
from tests.smtp_server import SmtpServer

pytestmark = pytest.mark.thorough

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def smtp() -> SmtpServer:
    return SmtpServer()


@pytest.fixture(scope="module")
async def separate(settings: Settings, admin_url: str, smtp: SmtpServer) -> AsyncIterator[Settings]:
    async with background.separate(settings, admin_url) as separate:
        yield smtp.used_by(separate)


@pytest.fixture(scope="module")
async def work(separate: Settings) -> AsyncIterator[BackgroundWork]:
    configure_logging(separate.logging)
    async with background.working(separate) as work:
        yield work


@pytest.fixture
def attempts(work: BackgroundWork) -> WorkflowAttempts:
    return WorkflowAttempts(work)


def provisioning(requested: background.Requested) -> QueuedExecution:
    return QueuedExecution(id=requested.execution_id, kind=WorkflowKind.PROVISION_TENANT)


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [MINUTES.pause_after(attempt) for attempt in (1, 2, 3, 4, 5, 39)]
    assert [pause.total_seconds() for pause in pauses] == [1, 2, 4, 8, 15, 15]


@pytest.mark.parametrize(
    ("retries", "at_least", "at_most"),
    [(MINUTES, timedelta(minutes=8), timedelta(minutes=11)), (HOURS, 0.9 * DAY, 1.1 * DAY)],
)
def test_attempts_go_on_for_about_as_long_as_is_said(
    retries: Retries, at_least: timedelta, at_most: timedelta
) -> None:
    pauses = [retries.pause_after(attempt) for attempt in range(1, retries.attempts)]
    assert at_least < sum(pauses, timedelta()) < at_most


async def test_an_attempt_makes_a_tenant(work: BackgroundWork, attempts: WorkflowAttempts) -> None:
    requested = await background.request_tenant(work)

    assert await attempts.make(provisioning(requested), 1) == Ended()

    await outcomes.assert_provisioned(work, requested)


async def test_the_row_says_when_it_was_last_tried(
    work: BackgroundWork, attempts: WorkflowAttempts
) -> None:
    requested = await background.request_tenant(work)
    await background.break_migrations(work, requested)
    await attempts.make(provisioning(requested), 1)
    first = await background.execution(work, requested.execution_id)
    await attempts.make(provisioning(requested), 2)
    second = await background.execution(work, requested.execution_id)

    assert first.checked_at == first.started_at == second.started_at
    assert first.checked_at is not None
    assert second.checked_at is not None
    assert first.checked_at < second.checked_at


async def test_what_has_ended_is_left_alone(
    work: BackgroundWork, attempts: WorkflowAttempts
) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.fail(requested.execution_id, "by hand")

    assert await attempts.make(provisioning(requested), 1) == Ended()

    await outcomes.assert_compensated(work, requested, "by hand")


async def test_what_looks_like_a_mistake_is_tried_three_times_and_compensated(
    work: BackgroundWork, attempts: WorkflowAttempts
) -> None:
    requested = await background.request_tenant(work)
    await background.break_migrations(work, requested)

    first = await attempts.make(provisioning(requested), 1)
    second = await attempts.make(provisioning(requested), 2)
    third = await attempts.make(provisioning(requested), 3)

    assert isinstance(first, Again)
    assert (first.error or "").startswith("migrate_schema: UndefinedColumnError")
    assert second == Again(timedelta(seconds=2), first.error)
    assert third == Ended(first.error)
    await outcomes.assert_compensated(work, requested, "migrate_schema: UndefinedColumnError")


async def test_a_superuser_can_have_it_tried_again(
    work: BackgroundWork, attempts: WorkflowAttempts, separate: Settings
) -> None:
    requested = await background.request_tenant(work)
    await work.outcomes.abandon(provisioning(requested), "by hand")
    async with work.database.lobby() as lobby:
        await background.lifecycle(lobby, separate).retry(requested.tenant_id)
    retried = (await background.executions_of(work, requested.tenant_id))[-1]

    assert await attempts.make(QueuedExecution(id=retried.id, kind=retried.kind), 1) == Ended()

    assert await background.actions(work, requested.tenant_id) == [
        "tenant.created",
        "tenant.provisioning_failed",
        "tenant.provisioning_retried",
        "tenant.provisioned",
    ]


async def test_an_attempt_after_the_last_one_records_what_that_one_could_not(
    work: BackgroundWork, attempts: WorkflowAttempts
) -> None:
    requested = await background.request_tenant(work)
    await work.provisioning.create_schema(requested.execution_id)

    outcome = await attempts.make(provisioning(requested), MINUTES.attempts + 1)

    assert outcome == Ended("The last attempt ended with its process.")
    await outcomes.assert_compensated(work, requested, "The last attempt")


async def test_whoever_is_not_let_in_has_tried_nothing(
    work: BackgroundWork, separate: Settings
) -> None:
    requested = await background.request_tenant(work)
    url = make_url(separate.database.url.get_secret_value()).set(
        username=f"nobody_{secrets.token_hex(6)}"
    )
    stranger = SecretStr(url.render_as_string(hide_password=False))
    database = separate.database.model_copy(update={"url": stranger})

    async with background.working(separate.model_copy(update={"database": database})) as shut_out:
        with pytest.raises(NotBegun, match=r"Invalid(Password|AuthorizationSpecification)Error"):
            await WorkflowAttempts(shut_out).make(provisioning(requested), MINUTES.attempts)

    assert not await background.have_ended(work, requested.execution_id)


async def test_a_mail_waits_for_its_server(
    work: BackgroundWork, attempts: WorkflowAttempts, smtp: SmtpServer
) -> None:
    invite, requested = await background.request_mail(work)
    mail = QueuedExecution(id=requested.id, kind=requested.kind)

    refused = await attempts.make(mail, 20)
    async with smtp.open():
        sent = await attempts.make(mail, 21)

    assert refused == Again(timedelta(minutes=10), "send_email: MailDelayed: SMTPConnectError")
    assert sent == Ended()
    assert [message for message in smtp.received if invite.email in message]
    await outcomes.assert_completed(work, requested.id)


async def test_a_mail_server_that_stays_down_is_given_up(
    work: BackgroundWork, attempts: WorkflowAttempts
) -> None:
    _, requested = await background.request_mail(work)

    await attempts.make(QueuedExecution(id=requested.id, kind=requested.kind), HOURS.attempts)

    await outcomes.assert_failed(work, requested.id, "send_email: MailDelayed: SMTPConnectError")


async def test_a_mail_that_no_release_knows_is_given_up(
    work: BackgroundWork, attempts: WorkflowAttempts
) -> None:
    unknown = WorkflowExecution(
        kind=WorkflowKind.SEND_EMAIL, payload={"mail": "of_tomorrow", "subject": str(uuid7())}
    )
    await background.add(work, unknown)

    await attempts.make(QueuedExecution(id=unknown.id, kind=unknown.kind), HOURS.attempts)

    error = "send_email: MailDelayed: no such mail in this release: of_tomorrow"
    await outcomes.assert_failed(work, unknown.id, error)


async def test_a_refusal_is_not_tried_again_and_names_no_address(
    work: BackgroundWork, attempts: WorkflowAttempts, smtp: SmtpServer
) -> None:
    _, requested = await background.request_mail(work)

    smtp.refuses = True
    async with smtp.open():
        outcome = await attempts.make(QueuedExecution(id=requested.id, kind=requested.kind), 1)
    smtp.refuses = False

    assert outcome == Ended("send_email: MailRefused: SMTPRecipientsRefused")
    await outcomes.assert_failed(work, requested.id, outcome.error or "")


async def test_a_deletion_looks_again_within_a_day(
    work: BackgroundWork, attempts: WorkflowAttempts, separate: Settings
) -> None:
    deleted, id = await background.request_deletion(work, separate, 30 * DAY)
    deletion = QueuedExecution(id=id, kind=WorkflowKind.DELETE_TENANT)

    assert await attempts.make(deletion, 1) == Again(DAY)
    assert (await background.execution(work, id)).status is WorkflowStatus.RUNNING
    async with work.database.lobby() as lobby:
        await background.lifecycle(lobby, separate).restore(deleted.tenant_id)

    assert await attempts.make(deletion, 1) == Ended()
    await outcomes.assert_kept(work, deleted.tenant_id, id)


async def test_a_deletion_that_fails_for_good_is_requested_anew(
    work: BackgroundWork, attempts: WorkflowAttempts, separate: Settings
) -> None:
    deleted, id = await background.request_deletion(work, separate, timedelta())
    deletion = QueuedExecution(id=id, kind=WorkflowKind.DELETE_TENANT)

    await attempts.make(deletion, HOURS.attempts + 1)

    await outcomes.assert_failed(work, id, "The last attempt")
    again = (await background.executions_of(work, deleted.tenant_id))[-1]
    assert (again.kind, again.status) == (WorkflowKind.DELETE_TENANT, WorkflowStatus.PENDING)
    assert await attempts.make(QueuedExecution(id=again.id, kind=again.kind), 1) == Ended()
    await outcomes.assert_deleted(work, deleted.tenant_id, again.id)


async def test_a_deletion_that_meets_a_mistake_is_tried_to_the_last_attempt(
    work: BackgroundWork, attempts: WorkflowAttempts, separate: Settings
) -> None:
    deleted, id = await background.request_deletion(work, separate, timedelta())
    deletion = QueuedExecution(id=id, kind=WorkflowKind.DELETE_TENANT)

    async with background.undroppable(work, deleted):
        outcome = await attempts.make(deletion, HOURS.attempts - 1)

    assert isinstance(outcome, Again)
    assert (outcome.error or "").startswith("drop_tenant: DependentObjectsStillExistError")
    assert await attempts.make(deletion, HOURS.attempts) == Ended()
    await outcomes.assert_deleted(work, deleted.tenant_id, id)


async def test_an_outage_that_begins_in_the_last_attempt_is_waited_for(
    work: BackgroundWork, separate: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly = Retries(timedelta(seconds=0.02), timedelta(seconds=0.1), attempts=0)
    monkeypatch.setattr("app.services.workflow_attempts._RECORDING", quickly)

    async def is_noticed() -> bool:
        return "outcome_not_recorded" in [entry["event"] for entry in log]

    requested = await background.request_tenant(work)
    async with background.behind_a_gate(separate) as (gate, remote):
        attempts = WorkflowAttempts(remote)
        with capture_logs() as log:
            async with background.held_up(work, requested):
                making = asyncio.create_task(
                    attempts.make(provisioning(requested), MINUTES.attempts)
                )
                await background.eventually(lambda: background.somebody_waits(work))
                await gate.close()
            await background.eventually(is_noticed)
            await gate.open()
            outcome = await making

    assert isinstance(outcome, Ended)
    # Roles are the cluster's: another database's may hold the step before up for a moment.
    steps = ("create_schema: ", "migrate_schema: ")
    await outcomes.assert_compensated(work, requested, steps)


async def test_an_outage_that_ends_before_the_outcome_is_recorded_leaves_no_schema(
    work: BackgroundWork, separate: Settings
) -> None:
    requested = await background.request_tenant(work)
    await background.break_migrations(work, requested)

    async with background.behind_a_gate(separate) as (gate, remote):
        drop_unready = remote.provisioning.drop_unready

        async def drop_in_an_outage(execution_id: UUID) -> None:
            patched.undo()
            await gate.close()
            try:
                await drop_unready(execution_id)
            finally:
                await gate.open()

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(remote.provisioning, "drop_unready", drop_in_an_outage)
            outcome = await WorkflowAttempts(remote).make(provisioning(requested), MINUTES.attempts)

    assert isinstance(outcome, Ended)
    await outcomes.assert_compensated(work, requested, "migrate_schema: UndefinedColumnError")
