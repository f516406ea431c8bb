"""`app superuser`."""

import asyncio
import os
import sys
from typing import Annotated, Final

import typer
from pydantic import BaseModel

from app.cli.console import checked, command_settings
from app.cli.failures import Refused
from app.core.db.database import Database
from app.core.emails import Email
from app.core.security.passwords import Passwords
from app.core.settings import Settings
from app.models.public.users import User
from app.repositories.public.users import UserRepository
from app.schemas.base import Name
from app.services.audit_trail import Actor, AuditTrail
from app.services.operator_accounts import OperatorAccounts

PASSWORD_VARIABLE: Final = "SUPERUSER_PASSWORD"  # noqa: S105  the name of a variable

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
    email: Annotated[str, typer.Argument(help="Whose account it is.")],
    name: Annotated[str, typer.Option(help="Shown to others.")] = "Administrator",
) -> None:
    """Make a superuser. The password is asked for, or read from SUPERUSER_PASSWORD or standard input."""
    settings = command_settings()
    account = checked(_Superuser, email=email, name=name)
    asyncio.run(_create(settings, account, _password()))
    typer.echo(f"{account.email} is a superuser.")


def _password() -> str:
    given = os.environ.get(PASSWORD_VARIABLE)
    if given is None and sys.stdin.isatty():
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if given is None:
        given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise Refused(f"There is no password: type it, pipe it, or set {PASSWORD_VARIABLE}.")
    return given


async def _create(settings: Settings, account: _Superuser, password: str) -> None:
    passwords = Passwords(settings.auth)
    try:
        await passwords.require_strength(password, account.email, account.name)
        password_hash = await passwords.hash(password)
        async with Database(settings.database) as database, database.lobby() as session:
            accounts = OperatorAccounts(UserRepository(session), AuditTrail(session, Actor()))
            await accounts.add(
                User(
                    email=account.email,
                    full_name=account.name,
                    password_hash=password_hash,
                    is_superuser=True,
                )
            )
    finally:
        passwords.close()
