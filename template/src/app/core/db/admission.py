"""Who may pass: one call to the database that also begins the transaction (ADR 0004)."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Final
from uuid import UUID

import asyncpg

from app.core.db.revisions import tenant_heads
from app.core.db.unit_of_work import Side, UnitOfWork
from app.core.errors import (
    AppError,
    EmailNotVerified,
    RoleRequired,
    SuperuserRequired,
    TenantDeleted,
    TenantNotFound,
    TenantNotMigrated,
    TenantNotReady,
    TenantSuspended,
    Unauthenticated,
)
from app.core.roles import Role

_ROLE_CHANGED: Final = "LB010"

_REFUSALS: Final[dict[str, type[AppError]]] = {
    "LB001": Unauthenticated,
    "LB002": SuperuserRequired,
    "LB003": EmailNotVerified,
    "LB004": TenantNotFound,
    "LB005": TenantNotReady,
    "LB006": TenantSuspended,
    "LB007": TenantDeleted,
    "LB008": RoleRequired,
    "LB009": TenantNotMigrated,
}


@dataclass(frozen=True, slots=True)
class Caller:
    """What an access token claims; nothing of it holds before `admit` has asked the database."""

    user_id: UUID
    session_id: UUID
    actor_id: UUID | None = None
    """The superuser who assumes the identity of `user_id`."""


@dataclass(frozen=True, slots=True)
class UserAdmission:
    """A signed-in user in the lobby."""

    caller: Caller
    superuser: bool = False
    verified: bool = False

    def statement(self) -> str:
        """Return the call, made of UUIDs and booleans alone."""
        return (
            f"SELECT public.admit_user({_caller(self.caller)}, {self.superuser}, {self.verified})"
        )


@dataclass(frozen=True, slots=True)
class MemberAdmission:
    """A member of a tenant, with at least the role `at_least`."""

    caller: Caller
    tenant_id: UUID
    role: Role
    """The role that the token claims; the database answers with the true one if it changed."""
    at_least: Role = Role.MEMBER
    enters: bool = True
    """Whether the transaction gets the tenant's schema and role, or stays in the lobby."""

    def statement(self) -> str:
        """Return the call, made of UUIDs, booleans, roles and the names of migrations alone."""
        return (
            f"SELECT public.admit_member({_caller(self.caller)}, '{self.tenant_id}',"
            f" '{self.role.value}', '{self.at_least.value}', {self.enters}, {_heads()})"
        )


async def admit_user(unit: UnitOfWork, admission: UserAdmission) -> None:
    """Begin the transaction for a signed-in user.

    Raises:
        Unauthenticated: there is no such user, or the session has ended.
        SuperuserRequired, EmailNotVerified: what the admission asks for is missing.
    """
    try:
        await unit.enter(admission.statement(), side=Side.LOBBY)
    except asyncpg.PostgresError as exc:
        raise _refusal(exc) from None


async def admit_member(unit: UnitOfWork, admission: MemberAdmission) -> Role:
    """Begin the transaction for a member of a tenant and return the member's role.

    Raises:
        Unauthenticated: there is no such user, or the session has ended.
        TenantNotFound: there is no such tenant, or the user is no member.
        TenantNotReady, TenantSuspended, TenantDeleted: the tenant's state closes it.
        RoleRequired: the member's role is lower than `at_least`.
        TenantNotMigrated: the schema, which the admission enters, lacks migrations of this release.
    """
    side = Side.TENANT if admission.enters else Side.LOBBY
    unit.tenant = admission.tenant_id
    try:
        await unit.enter(admission.statement(), side=side)
    except asyncpg.PostgresError as exc:
        if exc.sqlstate != _ROLE_CHANGED:
            raise _refusal(exc) from None
        await unit.rollback(cancelled=False)
        return await admit_member(unit, replace(admission, role=Role(exc.message)))
    return admission.role


async def enter_tenant(unit: UnitOfWork, tenant_id: UUID) -> None:
    """Begin the transaction in a tenant's schema without a caller, for background work and the operator.

    Raises:
        TenantNotFound: there is no such tenant, or it has no schema to enter.
        TenantNotMigrated: the schema lacks migrations of this release.
    """
    unit.tenant = tenant_id
    try:
        await unit.enter(f"SELECT public.enter_tenant('{tenant_id}', {_heads()})", side=Side.TENANT)
    except asyncpg.PostgresError as exc:
        raise _refusal(exc) from None


def _refusal(exc: asyncpg.PostgresError) -> BaseException:
    error = _REFUSALS.get(exc.sqlstate or "")
    return error() if error else exc


def _heads() -> str:
    return _array(tenant_heads())


@cache
def _array(texts: tuple[str, ...]) -> str:
    quoted = ("'" + text.replace("'", "''") + "'" for text in texts)
    return f"ARRAY[{', '.join(quoted)}]::text[]"


def _caller(caller: Caller) -> str:
    actor = "NULL" if caller.actor_id is None else f"'{caller.actor_id}'"
    return f"'{caller.user_id}', {actor}, '{caller.session_id}'"
