"""The clients: members of several tenants who read and write, and an owner who founds and deletes tenants."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import httpx

from app.api.dependencies.components import Components
from app.core.roles import Role
from app.core.settings import load_settings
from app.main import create_app
from faults.ledger import Answer, Founded, Ledger, Written
from faults.waiting import PATIENCE_SECONDS, happens, now
from tests.databases import STANDING
from tests.factories import Factory, SignedIn

MEMBERS: Final = 3
"""Of each standing tenant, and of each founded one that stays."""

_PAUSE_SECONDS: Final = 0.04
_FOUNDING_SECONDS: Final = 0.6
_FOUNDED_AT_ONCE: Final = 4
"""More would be a load that grows by itself on a slow machine: whoever waits for a tenant asks again and again."""
_FOUNDED: Final = 2
_PROBLEM: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Cast:
    """Who sends requests."""

    members: Sequence[SignedIn]
    founder: SignedIn
    """Signed in to the lobby."""


@asynccontextmanager
async def cast(url: str) -> AsyncIterator[Cast]:
    """Yield users who are signed in, with connections of their own; two of their tenants are made for it."""
    components: Components = create_app(load_settings()).state.components
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        # The host is one that every strategy takes for the lobby.
        base_url=url,
        headers={"Host": "testserver"},
        limits=limits,
        timeout=PATIENCE_SECONDS,
    ) as client:
        factory = Factory(components, client)
        founder = await factory.signed_in()
        slugs = list(STANDING)
        for _ in range(_FOUNDED):
            founding = Founding(founder, Ledger())
            tenant = await founding.found()
            await founding.wait_until_ready(tenant)
            slugs.append(tenant.slug)
        members = [await factory.member(slug, Role.ADMIN) for slug in slugs for _ in range(MEMBERS)]
        await components.database.close()
        yield Cast(members, founder)


async def ask(
    user: SignedIn, ledger: Ledger, method: str, path: str, **options: Any
) -> httpx.Response | None:
    """Send a request and note what came of it; None is no answer at all."""
    started = now()
    try:
        answer = await user.call(method, path, **options)
    except httpx.TransportError as exc:
        ledger.answers.append(Answer(now(), now() - started, type(exc).__name__))
        return None
    outcome = str(answer.status_code)
    if not answer.is_success and not _is_as_documented(answer):
        outcome = f"{outcome} {method} {path}: {answer.text[:200]}"
    ledger.answers.append(Answer(now(), now() - started, outcome))
    return answer


def _is_as_documented(answer: httpx.Response) -> bool:
    says_when = answer.headers.get("retry-after", "").isdecimal()
    is_problem = answer.headers.get("content-type") == _PROBLEM
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and says_when and is_problem


async def use(member: SignedIn, ledger: Ledger, stop: asyncio.Event) -> None:
    """Create, read, change and sometimes delete projects until told to stop."""
    for turn in itertools.count():
        project = Written(member.tenant or "", secrets.token_hex(8))
        steps = (_create, _read, _list, _change, _read_myself, _delete if turn % 3 == 0 else _read)
        for step in steps:
            if stop.is_set():
                return
            if step is _create or project.id is not None:
                await step(member, ledger, project)
            await asyncio.sleep(_PAUSE_SECONDS)


async def _create(member: SignedIn, ledger: Ledger, project: Written) -> None:
    ledger.projects.append(project)
    answer = await ask(member, ledger, "POST", "/projects", json={"name": project.name})
    if answer is not None and answer.is_success:
        project.id = UUID(answer.json()["id"])


async def _read(member: SignedIn, ledger: Ledger, project: Written) -> None:
    await ask(member, ledger, "GET", f"/projects/{project.id}")


async def _list(member: SignedIn, ledger: Ledger, _project: Written) -> None:
    await ask(member, ledger, "GET", "/projects?limit=20")


async def _read_myself(member: SignedIn, ledger: Ledger, _project: Written) -> None:
    await ask(member, ledger, "GET", "/users/me")


async def _change(member: SignedIn, ledger: Ledger, project: Written) -> None:
    description = secrets.token_hex(8)
    project.descriptions.append(description)
    path = f"/projects/{project.id}"
    answer = await ask(member, ledger, "PATCH", path, json={"description": description})
    if answer is not None and answer.is_success:
        project.descriptions = [description]


async def _delete(member: SignedIn, ledger: Ledger, project: Written) -> None:
    project.deleted = None
    answer = await ask(member, ledger, "DELETE", f"/projects/{project.id}")
    if answer is not None and answer.is_success:
        project.deleted = True


class Founding:
    """Founds tenants and deletes every other one as soon as it is ready."""

    def __init__(self, founder: SignedIn, ledger: Ledger) -> None:
        self.founder = founder
        self.ledger = ledger

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until told to stop, and until what was acknowledged has become what it is to be."""
        following: list[asyncio.Task[None]] = []
        while not stop.is_set():
            if sum(not task.done() for task in following) < _FOUNDED_AT_ONCE:
                tenant = await self.found()
                if tenant.acknowledged:
                    is_every_other = len(following) % 2 == 0
                    following.append(
                        asyncio.create_task(self._follow(tenant, delete=is_every_other))
                    )
            await asyncio.sleep(_FOUNDING_SECONDS)
        await asyncio.gather(*following)

    async def found(self) -> Founded:
        """Ask for a tenant."""
        tenant = Founded(f"f-{secrets.token_hex(5)}")
        self.ledger.tenants.append(tenant)
        body = {"name": tenant.slug, "slug": tenant.slug}
        answer = await ask(self.founder, self.ledger, "POST", "/tenants", json=body)
        tenant.acknowledged = answer is not None and answer.is_success
        return tenant

    async def wait_until_ready(self, tenant: Founded) -> bool:
        """Look again and again; no longer than two minutes."""

        async def is_ready() -> bool:
            await asyncio.sleep(_PAUSE_SECONDS)
            answer = await ask(self.founder, self.ledger, "GET", f"/tenants/{tenant.slug}")
            return answer is not None and answer.is_success and answer.json()["status"] == "ready"

        return await happens(is_ready, PATIENCE_SECONDS)

    async def delete(self, tenant: Founded) -> None:
        """Delete a tenant that is ready."""
        body = {"tenant": tenant.slug}
        answer = await ask(self.founder, self.ledger, "POST", "/auth/switch-tenant", json=body)
        if answer is None or not answer.is_success:
            return
        token = answer.json()["access_token"]
        owner = replace(self.founder, token=token, tenant=tenant.slug)
        tenant.deleted = None
        confirmed = {"confirm_slug": tenant.slug}
        answer = await ask(owner, self.ledger, "DELETE", "/tenant", json=confirmed)
        if answer is not None and answer.is_success:
            tenant.deleted = True

    async def _follow(self, tenant: Founded, *, delete: bool) -> None:
        if await self.wait_until_ready(tenant) and delete:
            await self.delete(tenant)
