"""What PostgreSQL and Python leave to be had: the same three reads by hand, without and with the service's guarantees.

`bare` checks the token and asks once, in a schema that is named in the statement. `guarded` does what the service
promises: a transaction, the admission, the tenant's role. Neither logs, limits, measures or validates.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg
import jwt
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PROJECT: Final = "id, name, description, created_by, created_at, updated_at"
USER: Final = (
    "SELECT id, email, full_name, email_verified_at IS NOT NULL AS email_verified, is_superuser, created_at"
    " FROM public.users WHERE id = $1"
)
CONNECTIONS: Final = 15
"""As the service's pool by default."""
STATEMENTS: Final = 10_000
"""More than tenants times statements: none is prepared twice."""

type Claims = dict[str, Any]
type Read = Callable[[asyncpg.Connection, Claims, Request], Awaitable[bytes]]


class Floor:
    """An application with three routes."""

    url = "FLOOR_URL"
    """The variable that says where the database is, and as whom."""

    def __init__(self) -> None:
        keys: dict[str, str] = json.loads(os.environ["AUTH__KEYS"])
        self.key = keys[os.environ["AUTH__ACTIVE_KID"]]
        self.issuer, self.audience = os.environ["AUTH__ISSUER"], os.environ["AUTH__AUDIENCE"]
        self.pool: asyncpg.Pool = None

    def claims(self, request: Request) -> Claims:
        """Return what the token claims."""
        claims: Claims = jwt.decode(
            request.headers["authorization"].removeprefix("Bearer "),
            self.key,
            algorithms=["HS256"],
            issuer=self.issuer,
            audience=self.audience,
        )
        return claims

    def route(self, path: str, read: Read) -> Route:
        """Return a route that answers with what `read` returns."""

        async def endpoint(request: Request) -> Response:
            claims = self.claims(request)
            async with self.pool.acquire() as connection:
                body = await self.answer(connection, claims, request, read)
            return Response(body, media_type="application/json")

        return Route(path, endpoint)

    async def answer(
        self, connection: asyncpg.Connection, claims: Claims, request: Request, read: Read
    ) -> bytes:
        """Read in one round trip."""
        return await read(connection, claims, request)

    def source(self, claims: Claims) -> str:
        """Return the table of the caller's tenant."""
        return f'"tenant_{claims["tslug"].replace("-", "_")}".projects'

    async def projects(
        self, connection: asyncpg.Connection, claims: Claims, request: Request
    ) -> bytes:
        """Return a page, newest first."""
        limit = int(request.query_params["limit"])
        sql = f"SELECT {PROJECT} FROM {self.source(claims)} ORDER BY created_at DESC, id DESC LIMIT $1"  # noqa: S608  a checked token's slug
        rows = await connection.fetch(sql, limit + 1)
        cursor = str(rows[limit - 1]["id"]) if len(rows) > limit else None
        return _json({"items": [dict(row) for row in rows[:limit]], "next_cursor": cursor})

    async def project(
        self, connection: asyncpg.Connection, claims: Claims, request: Request
    ) -> bytes:
        """Return one row."""
        sql = f"SELECT {PROJECT} FROM {self.source(claims)} WHERE id = $1"  # noqa: S608  a checked token's slug
        return _json(dict(await connection.fetchrow(sql, UUID(request.path_params["id"]))))

    async def me(self, connection: asyncpg.Connection, claims: Claims, _request: Request) -> bytes:
        """Return the caller."""
        return _json(dict(await connection.fetchrow(USER, UUID(claims["sub"]))))

    def application(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            self.route("/projects", self.projects),
            self.route("/projects/{id}", self.project),
            self.route("/users/me", self.me),
        ]
        return Starlette(routes=routes, lifespan=self.lifespan)

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Keep a pool."""
        self.pool = await asyncpg.create_pool(
            os.environ[self.url],
            min_size=1,
            max_size=CONNECTIONS,
            # The pool would ask once more, to forget what this code never sets.
            reset=_nothing,
            statement_cache_size=STATEMENTS,
            max_cached_statement_lifetime=0,
        )
        yield
        await self.pool.close()


class GuardedFloor(Floor):
    """The same with admission, transaction and role: three round trips."""

    url = "DATABASE__URL"

    def source(self, _claims: Claims) -> str:
        """Return the table; the transaction's path leads to the tenant's."""
        return "projects"

    async def answer(
        self, connection: asyncpg.Connection, claims: Claims, request: Request, read: Read
    ) -> bytes:
        """Begin and admit, read, commit."""
        user, session = UUID(claims["sub"]), UUID(claims["sid"])
        if request.url.path.startswith("/users"):
            call = f"admit_user('{user}', NULL, '{session}', false, false)"
        else:
            tenant, role = UUID(claims["tid"]), claims["role"]
            call = f"admit_member('{user}', NULL, '{session}', '{tenant}', '{role}', 'member', true, NULL)"
        await connection.execute(f"BEGIN; SELECT public.{call}")
        try:
            body = await read(connection, claims, request)
        except BaseException:
            await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")
        return body


async def _nothing(_connection: asyncpg.Connection) -> None:
    return None


def _json(value: object) -> bytes:
    # The driver's UUIDs are a subclass, which orjson leaves to the caller.
    return orjson.dumps(value, default=str)


if __name__ == "__main__":
    floor = {"bare": Floor, "guarded": GuardedFloor}[sys.argv[1]]()
    uvicorn.run(
        floor.application(),
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
    )
