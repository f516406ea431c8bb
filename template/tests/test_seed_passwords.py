"""The password of the sample users."""

import secrets

from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.security.passwords import Passwords
from app.core.settings import Settings
from app.models.public.users import User
from app.services.sample_accounts_password import SampleAccounts


async def test_everybody_gets_it_and_another_one_replaces_it(
    database: Database, settings: Settings
) -> None:
    passwords = Passwords(settings.auth)
    emails = {f"sample-{secrets.token_hex(6)}@example.test" for _ in range(2)}
    for password in ("easy to guess", "another one"):
        accounts = SampleAccounts(passwords, password)
        async with database.lobby() as lobby:
            for email in emails:
                await accounts.user(lobby, email, "Somebody")
        async with database.lobby() as lobby:
            users = await lobby.scalars(select(User).where(col(User.email).in_(emails)))
        assert {user.email for user in users} == emails
        for user in users:
            assert await passwords.verify(user.password_hash, password)
    passwords.close()
