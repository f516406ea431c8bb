"""Puts right what the queue and the rows of `workflow_executions` disagree about, and forgets what is long over."""

from datetime import timedelta
from typing import Final

import structlog
from pgqueuer import AsyncpgDriver

from app.models.public.workflow_executions import WorkflowKind
from app.work_queue.queries import queries

log = structlog.get_logger(__name__)

_BATCH: Final = 100

# A row of this very moment may be one whose job is being finished. The index is on the condition on `status`.
WITHOUT_A_JOB: Final = """
SELECT id::text AS id, kind FROM public.workflow_executions
WHERE status IN ('pending', 'running') AND created_at < now() - interval '1 minute'
  AND NOT EXISTS (
      SELECT FROM queue.pgqueuer
      WHERE dedupe_key = workflow_executions.id::text AND status IN ('queued', 'picked')
  )
ORDER BY workflow_executions.id LIMIT $1
"""

# A job's turn is that of the moment in which it was asked for. Those before it are done, and new ones of others
# would have the first turn for ever.
_TURNS: Final = """
WITH waiting AS (
    SELECT id, dedupe_key FROM queue.pgqueuer
    WHERE status = 'queued' ORDER BY id FOR UPDATE SKIP LOCKED
), turns AS (
    SELECT waiting.id, queue.priority_of(e.kind, row_number() OVER (
        PARTITION BY coalesce(e.tenant_id, e.id) ORDER BY e.id
    )) AS priority
    FROM waiting JOIN public.workflow_executions AS e ON e.id::text = waiting.dedupe_key
    WHERE e.status IN ('pending', 'running')
)
UPDATE queue.pgqueuer SET priority = turns.priority
FROM turns WHERE turns.id = pgqueuer.id AND turns.priority <> pgqueuer.priority
"""

_FORGET: Final = """
DELETE FROM queue.pgqueuer_log WHERE created < now() - $1::interval
  AND NOT EXISTS (SELECT FROM queue.pgqueuer WHERE pgqueuer.id = pgqueuer_log.job_id)
"""

# The clean-up has given up the execution, and no worker takes such a job.
_FORGET_UNKNOWN: Final = """
DELETE FROM queue.pgqueuer
WHERE entrypoint <> ALL ($1::text[]) AND NOT EXISTS (
    SELECT FROM public.workflow_executions
    WHERE workflow_executions.id::text = dedupe_key AND finished_at IS NULL
)
"""


class Sweeper:
    """What the schedule runs beside the clean-up. Twice at once does no more than once."""

    def __init__(self, driver: AsyncpgDriver, retention: timedelta) -> None:
        self.driver = driver
        self.queries = queries(driver)
        self.retention = retention

    async def enqueue_lost(self) -> None:
        """Enqueue the open executions that have no job, as after a restore of one table alone."""
        lost = await self.driver.fetch(WITHOUT_A_JOB, _BATCH)
        if not lost:
            return
        ids = [str(row["id"]) for row in lost]
        await self.queries.enqueue(
            [str(row["kind"]) for row in lost],
            [id.encode() for id in ids],
            # What follows gives them their turns.
            [0] * len(lost),
            dedupe_key=list(ids),
            on_conflict="skip",
        )
        log.warning("executions_enqueued_again", ids=ids)

    async def take_turns(self) -> None:
        """Put the jobs that wait in the order of their tenants' turns as they are now."""
        await self.driver.execute(_TURNS)

    async def forget(self) -> None:
        """Delete the jobs of work that this release does not know, when it has ended, and the log of jobs that are gone."""
        await self.driver.execute(_FORGET_UNKNOWN, [kind.value for kind in WorkflowKind])
        await self.driver.execute(_FORGET, self.retention)
