"""Slugs that a tenant has freed, and nobody else may take yet."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "lobby_0004"
down_revision: str | None = "lobby_0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# AFTER the row was written: a taker waits at `uq_tenants_slug` for a transaction that frees the slug, and each statement of
# this function sees what was committed meanwhile. A pending tenant was never entered, so no token of it opens
# anything.
HOLD_SLUG = """
CREATE FUNCTION public.hold_slug() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (
        replace(NEW.slug, '-', '_') <> replace(OLD.slug, '-', '_')
        OR (OLD.status = 'deleting' AND NEW.status = 'deleted')
    ) THEN
        INSERT INTO public.freed_slugs (name, tenant_id, freed_at)
        VALUES (replace(OLD.slug, '-', '_'), NEW.id, clock_timestamp())
        ON CONFLICT (name) DO UPDATE
        SET tenant_id = excluded.tenant_id, freed_at = excluded.freed_at;
    END IF;
    IF EXISTS (
        SELECT FROM public.freed_slugs f
        WHERE f.name = replace(NEW.slug, '-', '_') AND f.tenant_id <> NEW.id
          AND f.freed_at > clock_timestamp() - interval '2 days'
    ) THEN
        RAISE EXCEPTION 'another tenant has freed the slug % too recently', NEW.slug
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'uq_tenants_slug';
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "freed_slugs",
        sa.Column("name", sa.String(length=56), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("freed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["public.tenants.id"],
            name=op.f("fk_freed_slugs_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_freed_slugs")),
        schema="public",
    )
    op.create_index("ix_freed_slugs_freed_at", "freed_slugs", ["freed_at"], schema="public")
    op.execute(HOLD_SLUG)
    op.execute("REVOKE EXECUTE ON FUNCTION public.hold_slug() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER hold_slug AFTER INSERT OR UPDATE OF slug, status ON public.tenants"
        " FOR EACH ROW EXECUTE FUNCTION public.hold_slug()"
    )


def downgrade() -> None:
    """Undo."""
    op.execute("DROP TRIGGER hold_slug ON public.tenants")
    op.execute("DROP FUNCTION public.hold_slug()")
    op.drop_table("freed_slugs", schema="public")
