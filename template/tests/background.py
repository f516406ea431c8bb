"""Background work in a database of its own, where no other test's requests wait."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import SecretStr
from sqlalchemy import delete, exists, literal_column, select, text, update
from sqlalchemy.engine import make_url
from sqlmodel import SQLModel, col

from app.core.db.database import Database
from app.core.db.owner import connection_of
from app.core.db.sessions import LobbySession
from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.core.settings import Settings
from app.models.public.audit_logs import AuditLog
from app.models.public.freed_slugs import FreedSlug
from app.models.public.refresh_tokens import RefreshToken
from app.models.public.tenant_invites import TenantInvite
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.tenants import TenantRegistry
from app.services.audit_trail import Actor, AuditTrail
from app.services.background_work import BackgroundWork
from app.services.tenant_creation import TenantCreation
from app.services.tenant_lifecycle import TenantLifecycle
from app.services.workflow_requests import Mail, WorkflowRequests
from tests import databases
from tests.gate import Gate
from tests.patience import PATIENCE_SECONDS
from tests.sign_in.mode import USER_COLUMNS

_WAITING = text(
    "SELECT count(*) FROM pg_catalog.pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


@asynccontextmanager
async def separate(settings: Settings, admin_url: str) -> AsyncIterator[Settings]:
    """Yield settings with a database of their own, which is dropped afterwards."""
    name = f"lobby_test_{secrets.token_hex(6)}"
    await databases.clone(admin_url, name)
    database = databases.patient_settings_for(admin_url, name)
    yield settings.model_copy(update={"database": database})
    await databases.drop(admin_url, name)


@asynccontextmanager
async def empty(settings: Settings, admin_url: str) -> AsyncIterator[Settings]:
    """Yield settings with a database that was never migrated."""
    name = f"lobby_test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(admin_url)
    await connection.execute(f'CREATE DATABASE "{name}" OWNER {databases.OWNER}')
    await connection.close()
    database = databases.patient_settings_for(admin_url, name)
    yield settings.model_copy(update={"database": database})
    await databases.drop(admin_url, name)


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[BackgroundWork]:
    """Yield the background work of a service with these settings."""
    work = BackgroundWork.build(settings)
    yield work
    await work.close()


@asynccontextmanager
async def behind_a_gate(settings: Settings) -> AsyncIterator[tuple[Gate, BackgroundWork]]:
    """Yield background work whose PostgreSQL can be taken away by closing the gate."""
    url = make_url(settings.database.url.get_secret_value())
    async with Gate(url.host or "", url.port or 5432) as gate:
        moved = {
            name: SecretStr(_through(gate, getattr(settings.database, name)))
            for name in ("url", "owner_url")
        }
        database = settings.database.model_copy(update=moved)
        async with working(settings.model_copy(update={"database": database})) as work:
            yield gate, work


def _through(gate: Gate, url: SecretStr) -> str:
    target = make_url(url.get_secret_value()).set(host="127.0.0.1", port=gate.port)
    return target.render_as_string(hide_password=False)


@dataclass(frozen=True, slots=True)
class Requested:
    """A tenant that waits to be provisioned."""

    tenant_id: UUID
    execution_id: UUID
    owner_id: UUID
    owner_email: str


async def add(work: BackgroundWork, *rows: SQLModel) -> None:
    """Add rows."""
    async with work.database.lobby() as lobby:
        for row in rows:
            await lobby.add(row)


async def add_user(work: BackgroundWork) -> User:
    """Add a verified user."""
    user = User(
        email=f"owner-{secrets.token_hex(6)}@example.test",
        full_name="Ada Lovelace",
        email_verified_at=utcnow(),
        **USER_COLUMNS,
    )
    await add(work, user)
    return user


async def add_tenant(work: BackgroundWork, owner: User, status: TenantStatus) -> Tenant:
    """Add a tenant that nothing is requested for."""
    async with work.database.lobby() as lobby:
        return await _creation(lobby).add(**_new_tenant(owner), status=status)


def _creation(lobby: LobbySession) -> TenantCreation:
    return TenantCreation(lobby, AuditTrail(lobby, Actor()))


def _new_tenant(owner: User) -> dict[str, Any]:
    slug = f"t-{secrets.token_hex(6)}"
    return {"slug": slug, "name": "Analytical Engines", "owner_id": owner.id}


async def request_tenant(work: BackgroundWork) -> Requested:
    """Do what `POST /tenants` does."""
    owner = await add_user(work)
    async with work.database.lobby() as lobby:
        tenant = await _creation(lobby).create(**_new_tenant(owner))
    [execution] = await executions_of(work, tenant.id)
    return Requested(tenant.id, execution.id, owner.id, owner.email)


async def request_mails(
    work: BackgroundWork, count: int
) -> list[tuple[TenantInvite, WorkflowExecution]]:
    """Do what so many `POST /invites` do, in one new tenant."""
    owner = await add_user(work)
    tenant = await add_tenant(work, owner, TenantStatus.READY)
    invites = [
        TenantInvite(
            tenant_id=tenant.id,
            email=f"guest-{secrets.token_hex(6)}@example.test",
            role=Role.MEMBER,
            invited_by=owner.id,
            expires_at=utcnow() + timedelta(hours=24),
        )
        for _ in range(count)
    ]
    async with work.database.lobby() as lobby:
        requests = WorkflowRequests(lobby)
        for invite in invites:
            await lobby.add(invite)
        return [
            (invite, await requests.send_email(Mail.INVITE, invite.id, tenant_id=tenant.id))
            for invite in invites
        ]


async def request_mail(work: BackgroundWork) -> tuple[TenantInvite, WorkflowExecution]:
    """Do what `POST /invites` does, in a tenant of its own."""
    [requested] = await request_mails(work, 1)
    return requested


async def request_clean_up(work: BackgroundWork) -> tuple[UUID, UUID]:
    """Ask for a clean-up; return its id, and that of a refresh token that it is to remove."""
    user = await add_user(work)
    expired = RefreshToken(
        family_id=uuid7(),
        user_id=user.id,
        token_hash=secrets.token_bytes(32),
        session_expires_at=utcnow(),
        expires_at=utcnow() - timedelta(days=3),
    )
    requested = WorkflowExecution(kind=WorkflowKind.CLEAN_UP)
    async with work.database.lobby() as lobby:
        await lobby.add(expired)
        await lobby.add(requested)
    return requested.id, expired.id


async def request_deletion(
    work: BackgroundWork, settings: Settings, grace: timedelta
) -> tuple[Requested, UUID]:
    """Delete a ready tenant as the API does, with its execution's id."""
    ready = await ready_tenant(work)
    tenants = settings.tenants.model_copy(update={"deletion_grace": grace})
    async with work.database.lobby() as lobby:
        changed = settings.model_copy(update={"tenants": tenants})
        await lifecycle(lobby, changed).delete(ready.tenant_id)
    return ready, (await executions_of(work, ready.tenant_id))[-1].id


@asynccontextmanager
async def undroppable(work: BackgroundWork, requested: Requested) -> AsyncIterator[None]:
    """Give a tenant's role a right outside its schema, which keeps it from being dropped, as long as the block runs."""
    role = (await tenant(work, requested.tenant_id)).role_name
    await run_as_owner(work, f'GRANT SELECT ON public.installation TO "{role}"')
    yield
    await run_as_owner(work, f'REVOKE ALL ON public.installation FROM "{role}"')


async def run_as_owner(work: BackgroundWork, statement: str) -> None:
    """Run a statement as the DDL role."""
    async with work.owner.lobby() as session:
        connection = await connection_of(session)
        await connection.execute(text(statement))


async def set_due(work: BackgroundWork, tenant_id: UUID, due_at: datetime) -> None:
    """Change the end of a deleted tenant's grace period."""
    async with work.database.lobby() as lobby:
        await lobby.execute(
            update(Tenant).where(col(Tenant.id) == tenant_id).values(delete_after=due_at)
        )


async def break_migrations(work: BackgroundWork, requested: Requested) -> None:
    """Make a table that the first migration wants to make, whichever tables follow."""
    await work.provisioning.create_schema(requested.execution_id)
    schema = (await tenant(work, requested.tenant_id)).schema_name
    await run_as_owner(work, f'CREATE TABLE "{schema}".alembic_version ()')


@asynccontextmanager
async def held_up(work: BackgroundWork, requested: Requested) -> AsyncIterator[None]:
    """Have the first migration of a tenant wait as long as the block runs, from the point where it is waiting.

    Enter the block when something carries the request out already, or is about to.
    """
    await work.provisioning.create_schema(requested.execution_id)
    schema = (await tenant(work, requested.tenant_id)).schema_name
    with suppress(_Undone):
        async with work.owner.lobby() as session:
            connection = await connection_of(session)
            await connection.execute(text(f'CREATE TABLE "{schema}".alembic_version ()'))
            yield
            raise _Undone


class _Undone(Exception):
    """Takes a transaction back."""


async def somebody_waits(work: BackgroundWork) -> bool:
    """Tell whether somebody waits for what another transaction holds."""
    async with work.owner.engine.connect() as connection:
        return bool(await connection.scalar(_WAITING))


async def somebody_waits_in(database: Database, *, number: int = 1) -> bool:
    """Tell the same of the application's database, and of so many."""
    async with database.lobby() as lobby:
        return int((await lobby.execute(_WAITING)).scalar_one()) >= number


async def let_hold_end(database: Database, slug: str) -> None:
    """Have a slug that a tenant has freed be anybody's, as when the time is over."""
    name = slug.replace("-", "_")
    async with database.lobby() as lobby:
        await lobby.execute(delete(FreedSlug).where(col(FreedSlug.name) == name))


async def end_all(work: BackgroundWork) -> None:
    """End what other tests left open."""
    async with work.database.lobby() as lobby:
        await lobby.execute(
            update(WorkflowExecution)
            .where(col(WorkflowExecution.finished_at).is_(None))
            .values(status=WorkflowStatus.CANCELLED, finished_at=utcnow())
        )


async def ready_tenant(work: BackgroundWork) -> Requested:
    """Provision a tenant without an engine."""
    requested = await request_tenant(work)
    await work.provisioning.run(requested.execution_id)
    return requested


def lifecycle(lobby: LobbySession, settings: Settings) -> TenantLifecycle:
    """Return what the admin routes call."""
    return TenantLifecycle(
        TenantRegistry(lobby),
        WorkflowRequests(lobby),
        AuditTrail(lobby, Actor()),
        deletion_grace=settings.tenants.deletion_grace,
    )


async def tenant(work: BackgroundWork, tenant_id: UUID) -> Tenant:
    """Return a tenant as it is now."""
    async with work.database.lobby() as lobby:
        found = await lobby.scalar(select(Tenant).where(col(Tenant.id) == tenant_id))
    assert found is not None
    return found


async def execution(work: BackgroundWork, execution_id: UUID) -> WorkflowExecution:
    """Return an execution as it is now."""
    async with work.database.lobby() as lobby:
        found = await lobby.scalar(
            select(WorkflowExecution).where(col(WorkflowExecution.id) == execution_id)
        )
    assert found is not None
    return found


async def has_begun(work: BackgroundWork, execution_id: UUID) -> bool:
    """Tell whether an execution is being carried out, or waits for its date."""
    return (await execution(work, execution_id)).status is WorkflowStatus.RUNNING


async def have_ended(work: BackgroundWork, *execution_ids: UUID) -> bool:
    """Tell whether executions are closed, however."""
    rows = [await execution(work, id) for id in execution_ids]
    return all(row.finished_at is not None for row in rows)


async def all_have_ended(work: BackgroundWork) -> bool:
    """Tell whether nothing is left to do, what finished work has asked for included."""
    query = select(exists().where(col(WorkflowExecution.finished_at).is_(None)))
    async with work.database.lobby() as lobby:
        return not await lobby.scalar(query)


async def executions_of(work: BackgroundWork, tenant_id: UUID) -> list[WorkflowExecution]:
    """Return a tenant's executions, oldest first."""
    async with work.database.lobby() as lobby:
        return await lobby.scalars(
            select(WorkflowExecution)
            .where(col(WorkflowExecution.tenant_id) == tenant_id)
            .order_by(col(WorkflowExecution.id))
        )


async def actions(work: BackgroundWork, tenant_id: UUID) -> list[str]:
    """Return what the audit trail says about a tenant, oldest first."""
    async with work.database.lobby() as lobby:
        return await lobby.scalars(
            select(col(AuditLog.action))
            .where(col(AuditLog.tenant_id) == tenant_id, col(AuditLog.entity_type) == "tenant")
            .order_by(col(AuditLog.id))
        )


async def tables(work: BackgroundWork, schema: str) -> set[str]:
    """Return the tables that a schema has; none if it does not exist."""
    query = text("SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = :schema")
    async with work.owner.engine.connect() as connection:
        return set(await connection.scalars(query, {"schema": schema}))


async def has_every_table(work: BackgroundWork, schema: str) -> bool:
    """Tell whether a schema has the tables of a tenant: those of acme, whichever you have added."""
    return await tables(work, schema) == await tables(work, "tenant_acme")


async def heads(work: BackgroundWork, schema: str) -> set[str]:
    """Return the migrations that a schema has come to."""
    query = text(f'SELECT version_num FROM "{schema}".alembic_version')  # noqa: S608  a name of ours
    async with work.owner.engine.connect() as connection:
        return set(await connection.scalars(query))


async def role_exists(work: BackgroundWork, role: str | None) -> bool:
    """Tell whether PostgreSQL knows the role."""
    query = select(exists().where(literal_column("rolname") == role).select_from(text("pg_roles")))
    async with work.owner.engine.connect() as connection:
        return bool(await connection.scalar(query))


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = 0.02
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.3)
