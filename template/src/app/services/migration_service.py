"""Brings the lobby and every tenant to the newest migrations, and writes new ones."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import col

from app.core.db import bootstrap, extensions, migrations, privileges, tenancy
from app.core.db.failures import is_in_use
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

_LOCK_TIMEOUT: Final = timedelta(seconds=2)
"""So long the requests of a tenant wait behind a migration that waits for one of them."""

_PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 4, 8, 15))
"""Before each further round through the schemas whose tables were in use."""

_RUNNING: Final = "Another `app migrate` is running on this database. Wait until it has ended."

_IN_USE: Final = "{}: a table is in use, tried again later"


type _Outcome = Literal["migrated", "up to date", "in use", "deleted", "failed"]


class _Tenant(NamedTuple):
    number: int
    id: UUID
    slug: str
    schema: str


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
            ExtensionRefused: an extension is where no request finds it, or a migration takes no administrator into account.
            DropsRefused: something would be dropped, and `agrees` does not.
            MigrationRefused: another migration is running.
            UnsupportedServer: PostgreSQL is older than version 16.
        """
        for tree in (public_tree(), tenant_tree()):
            migrations.require_history(tree)
        await self.owner.check_server()
        async with self.owner.exclusive(Lock.MIGRATE) as acquired:
            if not acquired:
                raise MigrationRefused(_RUNNING)
            for line in await self._prepare_extensions():
                self.tell(line)
            if (drops := await self._drops()) and not self._tell_of(drops, agrees):
                raise DropsRefused(
                    "Nothing was done, as nobody has agreed. With --yes nobody is asked."
                )
            await self._migrate_lobby()
            return await self._migrate_tenants()

    async def _prepare_extensions(self) -> list[str]:
        extensions.declared()
        made = await bootstrap.prepare_extensions(self.settings) if self.settings.admin_url else []
        async with self.owner.ddl_engine.connect() as connection:
            await connection.run_sync(extensions.require_found)
        return made

    async def check(self) -> None:
        """Compare the models with the lobby and with one tenant, and change nothing.

        Raises:
            BrokenHistory: the migrations do not follow from one another.
            MigrationRefused: something is to be migrated, or a migration to be written.
        """
        tenants = await self._tenants() if await self._is_migrated(public_tree(), None) else []
        for tree, schema in (
            (public_tree(), None),
            *((tenant_tree(), t.schema) for t in tenants[:1]),
        ):
            if not await self._is_migrated(tree, schema):
                raise MigrationRefused(
                    "The code is ahead of the database: `make migrate` applies its migrations."
                )
            try:
                await migrations.check(self.owner.ddl_engine, tree, schema=schema)
            except migrations.SchemaOutOfDate as exc:
                raise MigrationRefused(
                    f"The models of the {tree.name} tree have what no migration makes: {exc}. `make migration` writes it,"
                    " `make migrate` applies it; until then the code fails where it uses that."
                ) from exc

    async def _is_migrated(self, tree: Tree, schema: str | None) -> bool:
        migrations.require_history(tree)
        return await migrations.is_at_head(self.owner.ddl_engine, tree, schema=schema)

    async def undo(self, name: migrations.TreeName) -> None:
        """Take your newest migration back in every schema that has it, with what was written into its tables.

        Raises:
            BrokenHistory: there is no newest one.
            MigrationRefused: there is none, or another migration is running.
        """
        tree = public_tree() if name == "public" else tenant_tree()
        migrations.require_history(tree)
        script = migrations.newest_of_yours(tree)
        if script is None:
            raise MigrationRefused(f"The {name} tree has no migration of yours.")
        async with self.owner.exclusive(Lock.MIGRATE) as acquired:
            if not acquired:
                raise MigrationRefused(_RUNNING)
            schemas = [None] if tree.schema else [each.schema for each in await self._tenants()]
            engine = self.owner.ddl_engine
            undone = [await migrations.undo(engine, tree, script, schema=each) for each in schemas]
        self.tell(
            f"{Path(script.path).name}: taken back in {sum(undone)} of {len(schemas)} schemas."
            " Change or delete its file before you run `app migrate`."
        )

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
        schemas = [tenant.schema for tenant in await self._tenants()]
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
            await self._upgrade_lobby()
            self.tell("public: migrated")
        async with self.owner.lobby() as session:
            await privileges.grant_lobby(await connection_of(session), self.settings)

    async def _upgrade_lobby(self) -> None:
        engine, tree = self.owner.ddl_engine, public_tree()
        for pause in _PAUSES:
            try:
                await migrations.upgrade(engine, tree, lock_timeout=_LOCK_TIMEOUT)
            except Exception as exc:
                if not is_in_use(exc):
                    raise
                self.tell(_IN_USE.format("public"))
                await asyncio.sleep(pause.total_seconds())
            else:
                return
        raise MigrationRefused(
            "public: a table stays in use. Nothing was done: end the transaction that uses it, or run this again when it is"
            " quieter."
        )

    async def _migrate_tenants(self) -> list[str]:
        waiting = tenants = await self._tenants()
        counts, failed = Counter[_Outcome](), list[str]()
        for pause in (*_PAUSES, None):
            in_use = []
            for tenant in waiting:
                outcome = await self._attempt(tenant, len(tenants), is_last=pause is None)
                counts[outcome] += 1
                if outcome == "in use":
                    in_use.append(tenant)
                elif outcome == "failed":
                    failed.append(tenant.slug)
            if pause is None or not in_use:
                break
            await asyncio.sleep(pause.total_seconds())
            waiting = in_use
        self.tell(
            f"tenants: {counts['migrated']} migrated, {counts['up to date']} up to date,"
            f" {counts['failed']} failed"
        )
        return failed

    async def _attempt(self, tenant: _Tenant, of: int, *, is_last: bool) -> _Outcome:
        try:
            if not await self._migrate_tenant(tenant.schema):
                return "up to date"
        except Exception as exc:
            if not may_pass(exc) and await self._is_deleted(tenant.id):
                self.tell(f"{tenant.slug}: deleted meanwhile")
                return "deleted"
            if is_in_use(exc) and not is_last:
                self.tell(_IN_USE.format(tenant.slug))
                return "in use"
            self.tell(f"{tenant.slug}: FAILED, {describe(exc)}")
            return "failed"
        self.tell(f"{tenant.slug}: migrated ({tenant.number} of {of})")
        return "migrated"

    async def _migrate_tenant(self, schema: str) -> bool:
        engine, tree = self.owner.ddl_engine, tenant_tree()
        if await migrations.is_at_head(engine, tree, schema=schema):
            async with self.owner.lobby() as session:
                await migrations.record(await connection_of(session), tree, schema)
            return False
        await migrations.upgrade(engine, tree, schema=schema, lock_timeout=_LOCK_TIMEOUT)
        return True

    async def _is_deleted(self, id: UUID) -> bool:
        # A grace period may end before the tenant's turn comes, and with it the schema.
        async with self.owner.lobby() as session:
            return await TenantRegistry(session).status(id) is TenantStatus.DELETED

    async def _tenants(self) -> list[_Tenant]:
        query = (
            select(col(Tenant.id), col(Tenant.slug), col(Tenant.schema_name))
            .where(col(Tenant.status).in_(_WITH_SCHEMA))
            .order_by(col(Tenant.slug))
        )
        async with self.owner.lobby() as session:
            rows = await session.execute(query)
        return [
            _Tenant(number, row.id, row.slug, row.schema_name)
            for number, row in enumerate(rows, start=1)
        ]

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
