"""What the roles of requests can do to the audit trail: add rows through its function, and nothing else."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.core.db.database import Database
from app.core.db.sessions import Session
from app.services.audit_trail import Actor, AuditTrail
from tests.factories import Factory

CHANGES: Final = (
    "INSERT INTO public.audit_logs SELECT * FROM public.audit_logs",
    "UPDATE public.audit_logs SET action = 'x'",
    "DELETE FROM public.audit_logs",
    "TRUNCATE public.audit_logs",
)

type Opens = Callable[[], AbstractAsyncContextManager[Session]]


async def ids(factory: Factory) -> tuple[UUID, UUID]:
    acme, globex = [await factory.find_tenant(slug) for slug in ("acme", "globex")]
    return acme.id, globex.id


async def test_the_audit_trail_only_grows(database: Database, factory: Factory) -> None:
    acme, _ = await ids(factory)
    sides: tuple[Opens, ...] = (database.lobby, lambda: database.tenant(acme))
    for opens in sides:
        for change in CHANGES:
            with pytest.raises(ProgrammingError, match="permission denied"):
                async with opens() as session:
                    await session.execute(text(change))
        async with opens() as session:
            await AuditTrail(session, Actor(tenant_id=acme)).record("tests.grew", "tenant", acme)


async def test_a_tenants_role_adds_rows_of_that_tenant_alone(
    database: Database, factory: Factory
) -> None:
    acme, globex = await ids(factory)
    for other in (globex, None):
        with pytest.raises(
            asyncpg.InsufficientPrivilegeError, match="an audit row of another tenant"
        ):
            async with database.tenant(acme) as session:
                await AuditTrail(session, Actor(tenant_id=other)).record(
                    "tests.lied", "tenant", acme
                )
