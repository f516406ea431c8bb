"""Tenants with rows, their owners, and the requests that these send."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import batched
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel, col

from app.api.dependencies.components import Components
from app.core.db import tenancy
from app.core.db.engine import create_owner_engine
from app.core.db.privileges import login_role
from app.core.identifiers import uuid7
from app.core.roles import Role
from app.core.settings import Settings
from app.main import create_app
from app.models.public.tenants import Tenant, TenantStatus
from app.models.tenant.projects import Project
from app.models.trees import tenant_tree
from tests.databases import STANDING
from tests.factories import Factory, SignedIn

ROWS: Final = 25
"""Projects of each tenant: a list of 20 has a next page."""

_MODEL: Final = tenancy.quoted(tenancy.schema_name(STANDING[0]))
_BATCH: Final = 50
_FIRST_ADDRESS: Final = IPv4Address("198.18.0.1")  # RFC 2544: addresses for benchmarks
_LEFT_OUT: Final = frozenset({"accept", "accept-encoding", "connection", "user-agent"})


@dataclass(frozen=True, slots=True)
class Client:
    """The owner of a tenant."""

    signed_in: SignedIn
    project_id: UUID
    """One of the tenant's."""
    address: str
    """Of its own, as clients of the internet have."""

    async def request(self, method: str, path: str, json: Any = None) -> bytes:
        """Return a request as the service gets it, whatever names the tenant in it."""
        options = {} if json is None else {"json": json}
        return await written(
            lambda client: replace(self.signed_in, client=client).call(method, path, **options),
            self.address,
        )

    def to_floor(self, path: str) -> bytes:
        """Return a GET as the floors get it: they take the tenant from the token."""
        token = self.signed_in.token
        return (
            f"GET {path} HTTP/1.1\r\nhost: floor\r\nauthorization: Bearer {token}\r\n\r\n".encode()
        )


async def written(
    send: Callable[[httpx.AsyncClient], Awaitable[object]], address: str = str(_FIRST_ADDRESS)
) -> bytes:
    """Return what `send` sends, as bytes on the wire, from a client behind a trusted proxy."""
    kept: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        kept.append(request)
        return httpx.Response(204)

    transport = httpx.MockTransport(keep)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        await send(client)
    (request,) = kept
    headers = [(name, value) for name, value in request.headers.items() if name not in _LEFT_OUT]
    headers.append(("x-forwarded-for", address))
    head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{head}\r\n".encode() + request.content


async def populate(settings: Settings, numbers: Iterable[int]) -> list[Client]:
    """Add a tenant for each number, with its owner and its rows, and return the owners."""
    engine = create_owner_engine(settings.database)
    components: Components = create_app(settings).state.components
    # No request is sent: the factory writes rows.
    factory = Factory(components, httpx.AsyncClient())
    clients = []
    for batch in batched(numbers, _BATCH):
        slugs = [f"bench-{number}" for number in batch]
        async with engine.begin() as connection:
            projects = [
                await _add_tenant(connection, slug, login_role(settings.database)) for slug in slugs
            ]
        for number, slug, project in zip(batch, slugs, projects, strict=True):
            owner = await factory.member(slug, Role.OWNER)
            clients.append(Client(owner, project, str(_FIRST_ADDRESS + number)))
    await engine.dispose()
    await components.database.close()
    return clients


async def _add_tenant(connection: AsyncConnection, slug: str, login: str) -> UUID:
    schema = tenancy.schema_name(slug)
    role = await connection.scalar(
        insert(_table(Tenant))
        .values(slug=slug, name=slug, schema_name=schema, status=TenantStatus.PROVISIONING)
        .returning(col(Tenant.role_name))
    )
    await tenancy.create_tenant_schema(connection, schema=schema, role=str(role), login=login)
    await connection.execute(text(tenancy.set_path(schema)))
    for table in tenant_tree().metadata.sorted_tables:
        # What the migrations make, without running them for each of thousands.
        await connection.execute(
            text(f"CREATE TABLE {table} (LIKE {_MODEL}.{table} INCLUDING ALL)")
        )
    rows: list[dict[str, Any]] = [
        {"id": uuid7(), "name": f"Project {number}", "description": "x" * 80, "created_by": uuid7()}
        for number in range(ROWS)
    ]
    await connection.execute(insert(_table(Project)), rows)
    await connection.execute(
        update(_table(Tenant)).where(col(Tenant.slug) == slug).values(status=TenantStatus.READY)
    )
    first: UUID = rows[0]["id"]
    return first


def _table(model: type[SQLModel]) -> Any:
    return model.__table__  # type: ignore[attr-defined]  # SQLModel's stubs omit it
