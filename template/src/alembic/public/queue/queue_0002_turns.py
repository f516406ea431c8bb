"""Jobs by turns: a tenant's second waits for the first of every other tenant."""

from collections.abc import Sequence

from alembic import op

revision: str = "queue_0002"
down_revision: str | None = "queue_0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PRIORITY = """
CREATE FUNCTION queue.priority_of(kind text, turn bigint) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN CASE kind WHEN 'send_email' THEN 0 ELSE 1000000 END - least(turn, 999999)::integer
"""

# With the owner's rights, so that nobody else needs any in this schema.
ENQUEUE = """
CREATE OR REPLACE FUNCTION queue.enqueue_execution() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    turn bigint := 1;
BEGIN
    IF NEW.tenant_id IS NOT NULL THEN
        SELECT count(*) INTO turn FROM public.workflow_executions
        WHERE tenant_id = NEW.tenant_id AND id <= NEW.id AND status IN ('pending', 'running');
    END IF;
    WITH job AS (
        INSERT INTO queue.pgqueuer (priority, entrypoint, dedupe_key, payload, status)
        VALUES (
            queue.priority_of(NEW.kind, turn),
            NEW.kind, NEW.id::text, convert_to(NEW.id::text, 'UTF8'), 'queued'
        )
        RETURNING id, entrypoint, priority
    )
    INSERT INTO queue.pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM job;
    RETURN NULL;
END $$
"""

FIRST_COME = """
CREATE OR REPLACE FUNCTION queue.enqueue_execution() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH job AS (
        INSERT INTO queue.pgqueuer (priority, entrypoint, dedupe_key, payload, status)
        VALUES (
            CASE NEW.kind WHEN 'send_email' THEN 0 ELSE 1 END,
            NEW.kind, NEW.id::text, convert_to(NEW.id::text, 'UTF8'), 'queued'
        )
        RETURNING id, entrypoint, priority
    )
    INSERT INTO queue.pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM job;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Apply."""
    op.execute(PRIORITY)
    op.execute("REVOKE EXECUTE ON FUNCTION queue.priority_of(text, bigint) FROM PUBLIC")
    op.execute(ENQUEUE)


def downgrade() -> None:
    """Undo."""
    op.execute(FIRST_COME)
    op.execute("DROP FUNCTION queue.priority_of(text, bigint)")
