"""`app superuser`."""

import asyncio
from typing import Annotated, Final

import typer
from pydantic import BaseModel

from app.cli.console import checked, command_settings
from app.core.db.database import Database
from app.core.emails import Email
from app.core.settings import Settings
from app.models.public.users import User
from app.repositories.public.users import UserRepository
from app.schemas.base import Name
from app.services.audit_trail import Actor, AuditTrail
from app.services.operator_accounts import OperatorAccounts

commands: Final = typer.Typer(
    help="Platform superusers.", no_args_is_help=True, add_completion=False
)


@commands.callback()
def _superuser() -> None:
    pass


class _Superuser(BaseModel):
    email: Email
    name: Name


@commands.command()
def create(
    email: Annotated[str, typer.Argument(help="The address that the identity provider verifies.")],
    name: Annotated[str, typer.Option(help="Shown to others.")] = "Administrator",
) -> None:
    """Make a superuser of who first signs in with this address."""
    settings = command_settings()
    account = checked(_Superuser, email=email, name=name)
    asyncio.run(_create(settings, account))
    typer.echo(f"{account.email} is a superuser.")


async def _create(settings: Settings, account: _Superuser) -> None:
    async with Database(settings.database) as database, database.lobby() as session:
        accounts = OperatorAccounts(UserRepository(session), AuditTrail(session, Actor()))
        await accounts.add(User(email=account.email, full_name=account.name, is_superuser=True))
