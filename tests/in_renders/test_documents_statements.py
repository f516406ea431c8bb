"""The SQL that docs/security.md has an operator run does what is written above it."""

import re
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import pytest

from app.core.roles import Role
from app.models.public.tenants import Tenant
from tests.answers import problem
from tests.factories import Factory, SignedIn
from tests.invites import LOOKUP, address, token_of
from tests.mailbox import Mailbox

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "security.md"
WITH_TOKENS: Final = """
SELECT table_name FROM information_schema.columns
WHERE column_name = 'token_hash' AND table_schema = 'public'
"""


def documented(purpose: str) -> str:
    """Return the statements below a comment, until the next one."""
    blocks = re.findall(r"(?ms)^```sql\n(.*?)^```", DOCUMENT.read_text())
    commented = "".join(blocks).split("-- ")
    [found] = [part.partition("\n")[2] for part in commented if part.startswith(purpose)]
    return found


async def run(owner_connection: asyncpg.Connection, purpose: str, email: str = "") -> None:
    await owner_connection.execute(documented(purpose).replace("ada@example.com", email))


@pytest.mark.parametrize("verified", [True, False])
async def test_who_has_proven_the_address_becomes_a_superuser(
    owner_connection: asyncpg.Connection, factory: Factory, verified: bool
) -> None:
    user = await factory.signed_in(verified=verified)

    await run(owner_connection, "A superuser", user.email)
    assert (await user.get("/users/me")).json()["is_superuser"] is verified

    await run(owner_connection, "No superuser", user.email)
    assert (await user.get("/users/me")).json()["is_superuser"] is False


async def test_who_is_shut_out_is_out(
    owner_connection: asyncpg.Connection,
    factory: Factory,
    tenant: Tenant,
    owner: SignedIn,
    mailbox: Mailbox,
) -> None:
    user, other = await factory.member(tenant.slug, Role.OWNER), await factory.signed_in()
    token = await token_of(user, mailbox, address(), "owner")
    kept = await token_of(owner, mailbox, address(), "owner")

    await run(owner_connection, "Out", user.email)

    assert (await user.get("/users/me")).status_code == 401
    assert (await other.get("/users/me")).status_code == 200
    for opened, status in ((token, 400), (kept, 200)):
        assert (await other.client.post(LOOKUP, json={"token": opened})).status_code == status


async def test_every_mailed_token_ends(
    owner_connection: asyncpg.Connection,
    client: httpx.AsyncClient,
    owner: SignedIn,
    mailbox: Mailbox,
) -> None:
    token = await token_of(owner, mailbox, address())
    assert (await client.post(LOOKUP, json={"token": token})).status_code == 200

    await run(owner_connection, "Every mailed token")

    answer = await client.post(LOOKUP, json={"token": token})
    assert problem(answer) == (400, "token-invalid")
    # A refresh token is not mailed, and random.
    named = {row["table_name"] for row in await owner_connection.fetch(WITH_TOKENS)} - {
        "refresh_tokens"
    }
    assert set(re.findall(r"UPDATE public\.(\w+)", documented("Every mailed token"))) == named
