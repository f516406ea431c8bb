"""The commands about identities at the provider."""

import asyncio

import pytest

from app.core.db.database import Database
from app.core.identifiers import uuid7
from app.models.public.user_identities import UserIdentity
from tests.shell import Shell, rows

pytestmark = pytest.mark.thorough


def link(shell: Shell, email: str) -> None:
    async def add() -> None:
        [(user_id,)] = rows_of[0]
        async with Database(shell.settings.database) as database, database.lobby() as session:
            await session.add(UserIdentity(user_id=user_id, issuer="i", subject=str(uuid7())))

    rows_of = [rows(shell.settings, f"SELECT id FROM public.users WHERE email = '{email}'")]  # noqa: S608  a test's own address
    asyncio.run(add())


def test_a_link_is_removed(shell: Shell) -> None:
    for email in ("linked@example.test", "bystander@example.test"):
        shell.add_user(email)
        link(shell, email)

    outcome = shell.run("identities", "remove", "Linked@example.test")

    assert (outcome.code, outcome.out) == (
        0,
        "Links of linked@example.test to the provider that were removed: 1.\n",
    )
    left = "SELECT email FROM public.user_identities i JOIN public.users u ON u.id = i.user_id"
    assert rows(shell.settings, left) == [("bystander@example.test",)]
    audit = rows(
        shell.settings, "SELECT action FROM public.audit_logs WHERE entity_type = 'identity'"
    )
    assert audit == [("identity.unlinked",)]
    assert shell.run("identities", "remove", "linked@example.test").out.endswith(": 0.\n")


@pytest.mark.parametrize(
    ("email", "code", "sentence"),
    [("nobody@example.test", 1, "Nobody has an account"), ("nonsense", 2, "email")],
)
def test_what_an_operator_mistypes(shell: Shell, email: str, code: int, sentence: str) -> None:
    outcome = shell.run("identities", "remove", email)

    assert outcome.code == code
    assert sentence in outcome.err
