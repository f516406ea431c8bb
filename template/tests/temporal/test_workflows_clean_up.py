"""`CleanUp` under time skipping."""

from datetime import timedelta

from sqlalchemy import select
from sqlmodel import col
from temporalio.testing import WorkflowEnvironment

from app.core.identifiers import utcnow
from app.models.public.email_verifications import EmailVerification, VerificationPurpose
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.services.background_work import BackgroundWork
from tests import background
from tests.temporal.running import start, worker


async def test_a_run_removes_what_is_due(
    time_skipping: WorkflowEnvironment, work: BackgroundWork
) -> None:
    user = await background.add_user(work)
    expired = EmailVerification(
        user_id=user.id,
        purpose=VerificationPurpose.RESET_PASSWORD,
        expires_at=utcnow() - timedelta(days=3),
    )
    requested = WorkflowExecution(kind=WorkflowKind.CLEAN_UP)
    async with work.database.lobby() as lobby:
        await lobby.add(expired)
        await lobby.add(requested)

    async with worker(time_skipping.client, work) as task_queue:
        await (await start(time_skipping.client, work, requested.id, task_queue)).result()

    async with work.database.lobby() as lobby:
        left = await lobby.scalar(
            select(EmailVerification).where(col(EmailVerification.id) == expired.id)
        )
    assert left is None
    execution = await background.execution(work, requested.id)
    assert execution.status is WorkflowStatus.COMPLETED
