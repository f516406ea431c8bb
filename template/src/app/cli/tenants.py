"""`app tenants`: what an operator does to tenants. Each command writes audit rows without an actor."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Final
from uuid import UUID

import typer
from sqlalchemy import select
from sqlmodel import col

from app.cli.console import checked, command_settings, printable
from app.cli.failures import Refused
from app.core.db.database import Database
from app.core.db.sessions import LobbySession
from app.core.emails import Email
from app.core.settings import Settings
from app.models.public.tenants import Tenant, TenantStatus
from app.repositories.public.tenants import TenantRegistry
from app.repositories.public.users import UserRepository
from app.schemas.admin import AdminTenantRead
from app.schemas.base import NEWEST, PageRequest, Position
from app.schemas.tenants import TenantCreate
from app.services.audit_trail import Actor, AuditTrail
from app.services.tenant_creation import TenantCreation
from app.services.tenant_lifecycle import TenantLifecycle
from app.services.workflow_requests import WorkflowRequests

_PAGE: Final = 100

type Step = Callable[[TenantLifecycle, UUID], Awaitable[AdminTenantRead]]

Slug = Annotated[str, typer.Argument(help="The tenant's slug.")]

commands: Final = typer.Typer(
    help="Tenants: list, create, suspend, delete.", no_args_is_help=True, add_completion=False
)


class _NewTenant(TenantCreate):
    owner: Email


@commands.command("list")
def list_tenants(
    status: Annotated[TenantStatus | None, typer.Option(help="Only these.")] = None,
) -> None:
    """List tenants, newest first."""
    asyncio.run(_list(command_settings(), status))


@commands.command()
def create(
    slug: Slug,
    owner: Annotated[str, typer.Option(help="Address of the first owner, who has proven it.")],
    name: Annotated[
        str | None, typer.Option(help="Shown to people; else made of the slug.")
    ] = None,
) -> None:
    """Add a tenant and have its schema made in the background."""
    tenant = checked(_NewTenant, slug=slug, name=name or slug.title(), owner=owner)
    asyncio.run(_create(command_settings(), tenant))


@commands.command()
def suspend(slug: Slug) -> None:
    """Shut a ready tenant's members out; its data stays."""
    _change(slug, TenantLifecycle.suspend)


@commands.command()
def resume(slug: Slug) -> None:
    """Let a suspended tenant's members in again."""
    _change(slug, TenantLifecycle.resume)


@commands.command()
def retry(slug: Slug) -> None:
    """Provision a failed tenant once more."""
    _change(slug, TenantLifecycle.retry)


@commands.command()
def restore(slug: Slug) -> None:
    """Take back a deletion whose grace period has not ended."""
    _change(slug, TenantLifecycle.restore)


@commands.command()
def delete(
    slug: Slug,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Shut a tenant's members out, and have its data dropped when the grace period ends."""
    if not yes:
        asyncio.run(_require(command_settings(), slug))
        if typer.prompt(f"Type {slug} to delete it") != slug:
            raise Refused("That is not its slug: nothing was deleted.")
    _change(slug, TenantLifecycle.delete)


def _change(slug: str, step: Step) -> None:
    asyncio.run(_take_step(command_settings(), slug, step))


async def _list(settings: Settings, status: TenantStatus | None) -> None:
    after: Position | None = NEWEST
    async with Database(settings.database) as database:
        while after is not None:
            async with database.lobby() as session:
                request = PageRequest(limit=_PAGE, after=after)
                page = await TenantRegistry(session).page(request, status=status)
            for tenant in page.items:
                name = printable(tenant.name)
                typer.echo(f"{tenant.slug:<32} {tenant.status:<12} {tenant.id} {name}")
            after = Position.decode(page.next_cursor) if page.next_cursor else None


async def _create(settings: Settings, data: _NewTenant) -> None:
    async with _lobby(settings) as session:
        owner = await UserRepository(session).account(data.owner)
        if owner is None:
            raise Refused(f"Nobody has an account with the address {data.owner}.")
        if not owner.email_verified:
            raise Refused(
                f"The account with the address {data.owner} is not verified: somebody else may have"
                " made it. Ask its owner to answer the mail or to come through an invite."
            )
        tenant = await TenantCreation(session, AuditTrail(session, Actor())).create(
            slug=data.slug, name=data.name, owner_id=owner.id
        )
    typer.echo(f"{tenant.slug} is being provisioned.")


async def _require(settings: Settings, slug: str) -> None:
    async with _lobby(settings) as session:
        await _id_of(session, slug)


async def _take_step(settings: Settings, slug: str, step: Step) -> None:
    async with _lobby(settings) as session:
        tenant_id = await _id_of(session, slug)
        lifecycle = TenantLifecycle(
            TenantRegistry(session),
            WorkflowRequests(session),
            AuditTrail(session, Actor()),
            deletion_grace=settings.tenants.deletion_grace,
        )
        tenant = await step(lifecycle, tenant_id)
    typer.echo(_sentence(tenant))


async def _id_of(session: LobbySession, slug: str) -> UUID:
    tenant_id = await session.scalar(
        select(col(Tenant.id)).where(
            col(Tenant.slug) == slug, col(Tenant.status) != TenantStatus.DELETED
        )
    )
    if tenant_id is None:
        raise Refused(f"There is no tenant {slug}.")
    return tenant_id


@asynccontextmanager
async def _lobby(settings: Settings) -> AsyncIterator[LobbySession]:
    async with Database(settings.database) as database, database.lobby() as session:
        yield session


def _sentence(tenant: AdminTenantRead) -> str:
    until = f" until {tenant.delete_after:%Y-%m-%d %H:%M} UTC" if tenant.delete_after else ""
    restorable = f"; it can be restored{until}" if tenant.status is TenantStatus.DELETING else ""
    return f"{tenant.slug} is {tenant.status}{restorable}."
