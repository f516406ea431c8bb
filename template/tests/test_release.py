"""The release of docs/deployment.md, step by step, while clients ask old and new processes."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx
import pytest

from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.core.security.access_tokens import AccessTokens
from app.core.settings import Settings
from app.dev.network import reserve_port
from app.models.public.refresh_tokens import RefreshToken
from app.services.background_work import BackgroundWork
from tests import background
from tests.engines import TestedEngine
from tests.migrating import write_revision
from tests.patience import PATIENCE_SECONDS
from tests.processes import SOURCES, answers, process
from tests.sending import send

pytestmark = pytest.mark.slow

QUIET: Final = {"LOGGING__LEVEL": "error"}


@dataclass
class Clients:
    """An owner of each tenant, who asks processes one after the other for as long as they are in service."""

    settings: Settings
    work: BackgroundWork
    in_service: list[httpx.AsyncClient] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    """Slugs of tenants, with a token for each."""
    statuses: Counter[int] = field(default_factory=Counter)

    async def join(self, requested: background.Requested) -> str:
        """Sign in the owner of a tenant as soon as it is ready, and return its slug."""
        await background.eventually(
            lambda: background.have_ended(self.work, requested.execution_id)
        )
        tenant = await background.tenant(self.work, requested.tenant_id)
        self.owners[tenant.slug] = await self._token(requested.owner_id, tenant.id, tenant.slug)
        return tenant.slug

    async def _token(self, user_id: UUID, tenant_id: UUID, slug: str) -> str:
        end = utcnow() + self.settings.auth.refresh_ttl
        session = RefreshToken(
            family_id=uuid7(),
            user_id=user_id,
            tenant_id=tenant_id,
            token_hash=uuid7().bytes * 2,
            session_expires_at=end,
            expires_at=end,
        )
        await background.add(self.work, session)
        token, _ = AccessTokens(self.settings.auth).issue(
            user_id=user_id,
            session_id=session.family_id,
            tenant_id=tenant_id,
            tenant_slug=slug,
            role=Role.OWNER,
        )
        return token

    async def ask(self, client: httpx.AsyncClient, slug: str) -> int:
        """Ask for a tenant's rows, and return the status."""
        headers = {"Authorization": f"Bearer {self.owners[slug]}"}
        answer = await send(client, "GET", "/projects", tenant=slug, headers=headers)
        return answer.status_code

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask until the block ends."""
        task = asyncio.create_task(self._ask())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled(), task.exception()

    async def _ask(self) -> None:
        while True:
            for client in tuple(self.in_service):
                for slug in tuple(self.owners):
                    self.statuses[await self.ask(client, slug)] += 1
            await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Code:
    """A release's processes."""

    settings: Settings
    source: Path

    @asynccontextmanager
    async def api(self, **variables: str) -> AsyncIterator[httpx.AsyncClient]:
        """Start the API, and yield a client of it."""
        port = reserve_port()
        own = {**QUIET, "PYTHONPATH": str(self.source), **variables}
        async with (
            process(self.settings, "api", "--port", str(port), **own),
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS
            ) as client,
        ):
            await background.eventually(lambda: answers(client, "/health/ready"))
            yield client

    @asynccontextmanager
    async def engine(self, command: tuple[str, ...]) -> AsyncIterator[None]:
        """Start what does background work."""
        own = {**QUIET, "PYTHONPATH": str(self.source)}
        async with process(self.settings, *command, **own) as started:
            yield
            started.terminate()
            await asyncio.wait_for(started.wait(), PATIENCE_SECONDS)

    async def migrate(self) -> None:
        """Run `app migrate`."""
        own = {**QUIET, "PYTHONPATH": str(self.source)}
        async with process(self.settings, "migrate", **own) as started:
            output, _ = await asyncio.wait_for(started.communicate(), PATIENCE_SECONDS)
        assert started.returncode == 0, output.decode()


async def test_a_release_refuses_no_tenant(
    settings: Settings, admin_url: str, engine: TestedEngine, tmp_path: Path
) -> None:
    (tmp_path / "app").symlink_to(SOURCES / "app")
    shutil.copytree(SOURCES / "alembic", tmp_path / "alembic")
    write_revision(tmp_path / "alembic", 'op.execute("CREATE TABLE added ()")')
    async with AsyncExitStack() as stack, AsyncExitStack() as old_api, AsyncExitStack() as worker:
        separate = await stack.enter_async_context(background.separate(settings, admin_url))
        separate = engine.alone(separate)
        work = await stack.enter_async_context(background.working(separate))
        old, new = Code(separate, SOURCES), Code(separate, tmp_path)
        clients = Clients(separate, work)
        serves_only = {"BACKGROUND__CONCURRENCY": "0"} if engine.command[0] == "api" else {}

        await worker.enter_async_context(old.engine(engine.command))
        first = await old_api.enter_async_context(old.api(**serves_only))
        before = await clients.join(await background.request_tenant(work))
        clients.in_service.append(first)
        async with clients.asking():
            await new.migrate()
            between = await clients.join(await background.request_tenant(work))
            second = await stack.enter_async_context(new.api(**serves_only))
            # Why the API is the last to be replaced, and `app migrate` runs twice.
            assert await clients.ask(second, before) == 200
            assert await clients.ask(second, between) == 503

            await worker.aclose()
            await new.migrate()
            clients.in_service.append(second)
            await stack.enter_async_context(new.engine(engine.command))
            await clients.join(await background.request_tenant(work))

            clients.in_service.remove(first)
            asked = clients.statuses.total()
            await background.eventually(lambda: _are_more(clients, asked + 20))
            await old_api.aclose()

    assert set(clients.statuses) == {200}


async def _are_more(clients: Clients, number: int) -> bool:
    return clients.statuses.total() > number
