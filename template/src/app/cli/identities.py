"""`app identities`."""

import asyncio
from typing import Annotated, Final

import typer
from pydantic import BaseModel

from app.cli.console import checked, command_settings
from app.cli.failures import Refused
from app.core.db.database import Database
from app.core.emails import Email
from app.core.security.access_tokens import AccessTokens
from app.core.settings import Settings
from app.repositories.public.users import UserRepository
from app.services.audit_trail import Actor
from app.services.identity import Identity
from app.services.linked_users import LinkedUsers

commands: Final = typer.Typer(
    help="Who users are at the identity provider.", no_args_is_help=True, add_completion=False
)


@commands.callback()
def _identities() -> None:
    pass


class _Owner(BaseModel):
    email: Email


@commands.command()
def remove(email: Annotated[str, typer.Argument(help="The user's address.")]) -> None:
    """Forget whom a user is at the provider: who signs in with the address next is linked to the user."""
    owner = checked(_Owner, email=email)
    removed = asyncio.run(_remove(command_settings(), owner.email))
    typer.echo(f"Links of {owner.email} to the provider that were removed: {removed}.")


async def _remove(settings: Settings, email: str) -> int:
    identity = Identity(AccessTokens(settings.auth), settings, Actor(), None)
    async with Database(settings.database) as database, database.lobby() as session:
        account = await UserRepository(session).account(email)
        if account is None:
            raise Refused(f"Nobody has an account with the address {email}.")
        return await LinkedUsers(session, identity).unlink(account.id)
