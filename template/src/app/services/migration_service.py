"""Brings the lobby and every tenant to the newest migrations, and writes new ones."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import col

from app.core.db import migrations, privileges, tenancy
from app.core.db.migrations import Tree
from app.core.db.owner import Lock, OwnerDatabase, connection_of
from app.core.settings import DatabaseSettings
from app.models.public.tenants import Tenant, TenantStatus
from app.models.trees import public_tree, tenant_tree
from app.repositories.public.tenants import TenantRegistry
from app.services.background_failures import describe, may_pass

type Tell = Callable[[str], None]

_WITH_SCHEMA: Final = (TenantStatus.READY, TenantStatus.SUSPENDED, TenantStatus.DELETING)
"""A tenant that is being provisioned gets the newest migrations anyway."""


class MigrationRefused(Exception):
    """Nothing was done; the message says why and what to do."""


class DropsRefused(MigrationRefused):
    """Nobody has agreed to what the migrations drop."""


class MigrationService:
    """Each schema is migrated in a transaction of its own. `tell` gets a line for each that changed."""

    def __init__(self, owner: OwnerDatabase, settings: DatabaseSettings, tell: Tell) -> None:
        self.owner = owner
        self.settings = settings
        self.tell = tell

    async def migrate(self, agrees: Callable[[], bool] = lambda: True) -> list[str]:
        """Migrate the lobby and then each tenant, and return the slugs of the tenants that failed.

        What drops a table, a column or rows of a schema is told before anything is done, and `agrees` is asked.

        Raises:
            BrokenHistory: the migrations do not follow from one another; nothing was done.
            DropsRefused: something would be dropped, and `agrees` does not.
            MigrationRefused: another migration is running.
            UnsupportedServer: PostgreSQL is older than version 16.
        """
        for tree in (public_tree(), tenant_tree()):
            migrations.require_history(tree)
        await self.owner.check_server()
        async with self.owner.exclusive(Lock.MIGRATE) as acquired:
            if not acquired:
                raise MigrationRefused(
                    "Another `app migrate` is running on this database. Wait until it has ended."
                )
            if (drops := await self._drops()) and not self._tell_of(drops, agrees):
                raise DropsRefused(
                    "Nothing was done, as nobody has agreed. With --yes nobody is asked."
                )
            await self._migrate_lobby()
            return await self._migrate_tenants()

    async def write(self, name: migrations.TreeName, message: str, *, empty: bool) -> Path:
        """Write what the models have and the migrations lack, and return the new file.

        Raises:
            BrokenHistory: the migrations do not follow from one another.
            MigrationRefused: there is nothing to write, or the database lacks earlier migrations.
        """
        tree = public_tree() if name == "public" else tenant_tree()
        migrations.require_history(tree)
        if not await migrations.is_at_head(self.owner.ddl_engine, public_tree()):
            raise MigrationRefused("The database lacks migrations: run `app migrate` first.")
        async with self._compared_schema(tree) as schema:
            if not empty and await self._is_complete(tree, schema):
                raise MigrationRefused(
                    f"The models and the migrations of the {name} tree agree: there is nothing to"
                    " write. Use --empty for a migration of data."
                )
            return await migrations.revision(self.owner.ddl_engine, tree, message, schema)

    async def _drops(self) -> list[str]:
        engine = self.owner.ddl_engine
        drops = await migrations.drops_ahead(engine, public_tree(), [None])
        async with self.owner.engine.connect() as connection:
            if await connection.scalar(text("SELECT to_regclass('public.tenants') IS NULL")):
                return drops
        schemas = [schema for _, _, schema in await self._tenants()]
        return drops + await migrations.drops_ahead(engine, tenant_tree(), schemas)

    def _tell_of(self, drops: list[str], agrees: Callable[[], bool]) -> bool:
        self.tell("These migrations drop what cannot be brought back:")
        for line in drops:
            self.tell(f"  {line}")
        return agrees()

    async def _migrate_lobby(self) -> None:
        if await migrations.is_at_head(self.owner.ddl_engine, public_tree()):
            self.tell("public: up to date")
        else:
            await migrations.upgrade(self.owner.ddl_engine, public_tree())
            self.tell("public: migrated")
        async with self.owner.lobby() as session:
            await privileges.grant_lobby(await connection_of(session), self.settings)

    async def _migrate_tenants(self) -> list[str]:
        failed: list[str] = []
        migrated = up_to_date = 0
        tenants = await self._tenants()
        for number, (id, slug, schema) in enumerate(tenants, start=1):
            try:
                if await self._migrate_tenant(schema):
                    migrated += 1
                    self.tell(f"{slug}: migrated ({number} of {len(tenants)})")
                else:
                    up_to_date += 1
            except Exception as exc:
                if not may_pass(exc) and await self._is_deleted(id):
                    self.tell(f"{slug}: deleted meanwhile")
                    continue
                failed.append(slug)
                self.tell(f"{slug}: FAILED, {describe(exc)}")
        self.tell(f"tenants: {migrated} migrated, {up_to_date} up to date, {len(failed)} failed")
        return failed

    async def _migrate_tenant(self, schema: str) -> bool:
        engine, tree = self.owner.ddl_engine, tenant_tree()
        if await migrations.is_at_head(engine, tree, schema=schema):
            return False
        await migrations.upgrade(engine, tree, schema=schema)
        return True

    async def _is_deleted(self, id: UUID) -> bool:
        # A grace period may end before the tenant's turn comes, and with it the schema.
        async with self.owner.lobby() as session:
            return await TenantRegistry(session).status(id) is TenantStatus.DELETED

    async def _tenants(self) -> list[tuple[UUID, str, str]]:
        query = (
            select(col(Tenant.id), col(Tenant.slug), col(Tenant.schema_name))
            .where(col(Tenant.status).in_(_WITH_SCHEMA))
            .order_by(col(Tenant.slug))
        )
        async with self.owner.lobby() as session:
            return [(row.id, row.slug, row.schema_name) for row in await session.execute(query)]

    @asynccontextmanager
    async def _compared_schema(self, tree: Tree) -> AsyncIterator[str | None]:
        if tree.schema is not None:
            yield None
            return
        # The tables of a new tenant, in a schema and with a role that nobody else has.
        name = tenancy.schema_name(f"scratch-{secrets.token_hex(4)}")
        login = privileges.login_role(self.settings)
        async with self.owner.lobby() as session:
            connection = await connection_of(session)
            await tenancy.create_tenant_schema(connection, schema=name, role=name, login=login)
        try:
            await migrations.upgrade(self.owner.ddl_engine, tree, schema=name)
            yield name
        finally:
            async with self.owner.lobby() as session:
                connection = await connection_of(session)
                await tenancy.drop_tenant_schema(connection, schema=name, role=name)

    async def _is_complete(self, tree: Tree, schema: str | None) -> bool:
        try:
            await migrations.check(self.owner.ddl_engine, tree, schema=schema)
        except migrations.SchemaOutOfDate:
            return False
        return True
