"""A database whose tenants are migrated, and migrations to apply."""

from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import select, text
from sqlmodel import col

from app.core.db import migrations
from app.core.db.owner import connection_of
from app.core.settings import Settings
from app.models.public.tenants import Tenant
from app.models.trees import public_tree, tenant_tree
from app.services.background_work import BackgroundWork
from app.services.migration_service import MigrationService
from tests import background


class Migrating:
    """A database with the tenants acme and globex, and the lines that migrating it prints."""

    def __init__(self, settings: Settings, work: BackgroundWork) -> None:
        self.work = work
        self.owner = work.owner
        self.lines: list[str] = []
        self.service = MigrationService(self.owner, settings.database, self.lines.append)

    async def take_back(self, *slugs: str) -> None:
        """Undo every migration of some tenants."""
        for slug in slugs:
            await migrations.downgrade(
                self.owner.ddl_engine, tenant_tree(), to="base", schema=f"tenant_{slug}"
            )

    async def execute(self, sql: str) -> None:
        """Run a statement as the owner."""
        async with self.owner.lobby() as session:
            await (await connection_of(session)).execute(text(sql))

    async def tenant(self, slug: str) -> Tenant:
        """Return a tenant's row."""
        async with self.owner.lobby() as session:
            [tenant] = await session.scalars(select(Tenant).where(col(Tenant.slug) == slug))
        return tenant

    async def recorded(self, slug: str) -> list[str]:
        """Return what a tenant's row says its schema has."""
        return (await self.tenant(slug)).migrations or []

    async def tables(self, slug: str) -> set[str]:
        """Return a tenant's tables."""
        return await background.tables(self.work, f"tenant_{slug}")


def scripts_of(tree: str) -> ScriptDirectory:
    """Return the migrations of a tree."""
    trees = {"public": public_tree, "tenant": tenant_tree}
    return migrations._scripts(trees[tree]())


def head_of_your_branch(tree: str = "tenant") -> str:
    """Return the newest migration of your branch."""
    [head] = scripts_of(tree).get_revisions("app@heads")
    return str(head.revision)


def write_revision(scripts: Path, upgrade: str, tree: str = "tenant") -> Path:
    """Add a migration of your branch, which does that."""
    lines = [
        "import sqlalchemy as sa",
        "from alembic import op",
        'revision = "mine"',
        f"down_revision = {head_of_your_branch(tree)!r}",
        "def upgrade():",
        *(f"    {line}" for line in upgrade.splitlines()),
        "def downgrade():",
        '    op.drop_table("made_before")',
    ]
    path = scripts / tree / "app" / "mine.py"
    path.write_text("\n".join(lines))
    return path
