"""The two sessions of a request, in one transaction on one connection, and what opens others after it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from app.api.dependencies.admission import admission_of, admitted_of, unit_of
from app.api.dependencies.components import ComponentsDep
from app.api.dependencies.requirements import Requirement, requires
from app.core.db.admission import MemberAdmission, UserAdmission, admit_member, admit_user
from app.core.db.database import Database
from app.core.db.sessions import LobbySession, TenantSession
from app.core.errors import TenantRequired


async def get_lobby_session(request: HTTPConnection) -> LobbySession:
    """Return the session for the shared tables."""
    return LobbySession(unit_of(request))


@requires(Requirement(tenant=True, enters=True))
async def get_tenant_session(request: HTTPConnection) -> TenantSession:
    """Return the session for the tables of the tenant that the request names."""
    admitted = admitted_of(request)
    if admitted is None or admitted.tenant is None or not admitted.tenant.entered:
        raise TenantRequired
    return TenantSession(unit_of(request))


class LobbySessionMaker:
    """Opens sessions of the request's caller, for a stream, a background task or an effect."""

    def __init__(self, database: Database, admission: UserAdmission | None) -> None:
        self._database = database
        self._admission = admission

    @asynccontextmanager
    async def open(self) -> AsyncIterator[LobbySession]:
        """Yield a session in a transaction of its own, which commits when the block ends.

        Raises:
            AppError: the caller would not be admitted any more.
        """
        async with self._database.unit() as unit:
            if self._admission is not None:
                await admit_user(unit, self._admission)
            yield LobbySession(unit)


class TenantSessionMaker:
    """Opens sessions of the request's tenant and caller, for a stream, a background task or an effect."""

    def __init__(self, database: Database, admission: MemberAdmission) -> None:
        self._database = database
        self._admission = replace(admission, enters=True)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[TenantSession]:
        """Yield a session in a transaction of its own, which commits when the block ends.

        Raises:
            AppError: the caller would not be admitted to the tenant any more.
        """
        async with self._database.unit() as unit:
            await admit_member(unit, self._admission)
            yield TenantSession(unit)


async def get_lobby_session_maker(
    request: HTTPConnection, components: ComponentsDep
) -> LobbySessionMaker:
    """Return what opens sessions for the shared tables."""
    admission = admission_of(request)
    if isinstance(admission, MemberAdmission):
        admission = UserAdmission(admission.caller)
    return LobbySessionMaker(components.database, admission)


@requires(Requirement(tenant=True))
async def get_tenant_session_maker(
    request: HTTPConnection, components: ComponentsDep
) -> TenantSessionMaker:
    """Return what opens sessions for the tables of the tenant that the request names."""
    admission = admission_of(request)
    if not isinstance(admission, MemberAdmission):
        raise TenantRequired
    return TenantSessionMaker(components.database, admission)


DBSession = Annotated[LobbySession, Depends(get_lobby_session)]
TenantDBSession = Annotated[TenantSession, Depends(get_tenant_session)]
DBSessionMaker = Annotated[LobbySessionMaker, Depends(get_lobby_session_maker)]
TenantDBSessionMaker = Annotated[TenantSessionMaker, Depends(get_tenant_session_maker)]
