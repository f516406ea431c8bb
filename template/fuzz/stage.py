"""A service in which tenants live: its requests, its background work, and what its database has in the end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy import text

from app.core.identifiers import utcnow
from app.core.settings import Settings
from app.models.public.workflow_executions import WorkflowKind
from app.services.background_work import BackgroundWork
from app.services.email_delivery import INVITE_PURPOSE
from fuzz.model import ModelTenant
from tests import background
from tests.engines import TestedEngine
from tests.factories import SignedIn
from tests.mailbox import Mailbox
from tests.routes.requests import World, world_of
from tests.smtp_server import SmtpServer

# A deletion that is not due waits for weeks.
_BUSY: Final = """
SELECT EXISTS (SELECT FROM public.workflow_executions e LEFT JOIN public.tenants t ON t.id = e.tenant_id
WHERE e.finished_at IS NULL AND NOT (e.kind = 'delete_tenant' AND t.delete_after > now()))
"""
_TENANTS: Final = """
SELECT id, slug, status, schema_name,
EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) AS has_role,
EXISTS (SELECT FROM pg_namespace WHERE nspname = schema_name) AS has_schema
FROM public.tenants WHERE id = ANY(:ids)
"""
_ROLES: Final = """
SELECT tenant_id, user_id, role FROM public.user_tenant_membership WHERE tenant_id = ANY(:ids)
"""
_INVITES: Final = """
SELECT tenant_id, email FROM public.tenant_invites WHERE status = 'pending' AND tenant_id = ANY(:ids)
"""
_ACTIONS: Final = """
SELECT tenant_id, action FROM public.audit_logs
WHERE tenant_id = ANY(:ids) AND entity_type IN ('tenant', 'member', 'invite') ORDER BY id
"""
_OTHERS: Final = """
SELECT t::text, (SELECT string_agg(m::text, ',' ORDER BY m.user_id)
FROM public.user_tenant_membership m WHERE m.tenant_id = t.id)
FROM public.tenants t WHERE NOT t.id = ANY(:ids) ORDER BY t.id
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """One service and its engine."""

    world: World
    work: BackgroundWork
    settings: Settings
    engine: TestedEngine
    post: SmtpServer

    async def call(
        self, caller: SignedIn, slug: str, method: str, path: str, **options: Any
    ) -> httpx.Response:
        """Switch to a tenant and send a request there; the answer is the first refusal."""
        switched = await caller.post("/auth/switch-tenant", {"tenant": slug})
        if switched.is_error:
            return switched
        token = switched.json()["access_token"]
        inside = SignedIn(
            caller.client, caller.user_id, caller.email, caller.session_id, token, slug
        )
        return await inside.call(method, path, **options)

    async def catch_up(self) -> None:
        """Let the engine do everything that waits for nothing."""
        if await self._is_idle():
            return
        async with self.post.open(), self.engine.running(self.work, self.settings):
            await background.eventually(self._is_idle)

    async def end_grace(self, tenant_id: UUID) -> None:
        """Let the grace period of a deletion be over, before an engine has heard of it."""
        await background.set_due(self.work, tenant_id, utcnow())

    async def give_up(self, tenant_id: UUID) -> None:
        """Do what an engine does when a tenant cannot be provisioned."""
        execution = (await background.executions_of(self.work, tenant_id))[-1]
        assert execution.kind is WorkflowKind.PROVISION_TENANT
        await self.work.provisioning.create_schema(execution.id)
        await self.work.provisioning.drop_unready(execution.id)
        await self.work.provisioning.fail(execution.id, "the disk is full")

    async def invite_token(self, invite_id: UUID) -> str:
        """Return what the mail of an invite carries."""
        await Mailbox(self.world.components).of("")
        return self.world.components.derived_tokens.derive(INVITE_PURPOSE, invite_id)

    async def rows(self, sql: str, **parameters: object) -> Sequence[Any]:
        """Return what the database has, whatever the application may see."""
        async with self.work.owner.engine.connect() as connection:
            return (await connection.execute(text(sql), parameters)).all()

    async def others(self, ids: Sequence[UUID]) -> Sequence[Any]:
        """Return all that there is about other tenants."""
        return await self.rows(_OTHERS, ids=list(ids))

    async def _is_idle(self) -> bool:
        [[busy]] = await self.rows(_BUSY)
        return not busy


@dataclass(frozen=True, slots=True)
class Found:
    """What the database has about some tenants."""

    tenants: dict[UUID, Any]
    roles: dict[UUID, dict[UUID, str]]
    pending: dict[UUID, list[str]]
    """Addresses that have an invite."""
    actions: dict[UUID, list[str]]

    @classmethod
    async def on(cls, stage: Stage, tenants: Sequence[ModelTenant]) -> "Found":
        """Read it."""
        ids = [tenant.id for tenant in tenants]
        found = cls({}, {id: {} for id in ids}, {id: [] for id in ids}, {id: [] for id in ids})
        for row in await stage.rows(_TENANTS, ids=ids):
            found.tenants[row.id] = row
        for tenant_id, user_id, role in await stage.rows(_ROLES, ids=ids):
            found.roles[tenant_id][user_id] = role
        for tenant_id, email in await stage.rows(_INVITES, ids=ids):
            found.pending[tenant_id].append(email)
        for tenant_id, action in await stage.rows(_ACTIONS, ids=ids):
            found.actions[tenant_id].append(action)
        return found


@asynccontextmanager
async def staged(settings: Settings, admin_url: str, engine: TestedEngine) -> AsyncIterator[Stage]:
    """Yield a service with a database and an engine of its own."""
    post = SmtpServer()
    async with background.separate(settings, admin_url) as separate:
        alone = post.used_by(engine.alone(separate))
        # The API's process leaves the work to the engine that `catch_up` runs.
        served = separate.model_copy(update={"mail": alone.mail})
        async with world_of(served) as world, background.working(alone) as work:
            yield Stage(world, work, alone, engine, post)
