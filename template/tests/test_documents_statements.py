"""The SQL that docs/security.md has an operator run does what is written above it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import pytest

from app.core.settings import DatabaseSettings
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


@pytest.fixture
async def operator(database_settings: DatabaseSettings) -> AsyncIterator[asyncpg.Connection]:
    assert database_settings.owner_url is not None
    connection = await asyncpg.connect(database_settings.owner_url.get_secret_value())
    yield connection
    await connection.close()


async def run(operator: asyncpg.Connection, purpose: str, email: str = "") -> None:
    await operator.execute(documented(purpose).replace("ada@example.com", email))


@pytest.mark.parametrize("verified", [True, False])
async def test_who_has_proven_the_address_becomes_a_superuser(
    operator: asyncpg.Connection, factory: Factory, verified: bool
) -> None:
    user = await factory.signed_in(verified=verified)

    await run(operator, "A superuser", user.email)
    assert (await user.get("/users/me")).json()["is_superuser"] is verified

    await run(operator, "No superuser", user.email)
    assert (await user.get("/users/me")).json()["is_superuser"] is False


async def test_who_is_shut_out_is_out(operator: asyncpg.Connection, factory: Factory) -> None:
    user, other = await factory.signed_in(), await factory.signed_in()

    await run(operator, "Out", user.email)

    assert (await user.get("/users/me")).status_code == 401
    assert (await other.get("/users/me")).status_code == 200


async def test_every_mailed_token_ends(
    operator: asyncpg.Connection, client: httpx.AsyncClient, owner: SignedIn, mailbox: Mailbox
) -> None:
    token = await token_of(owner, mailbox, address())
    assert (await client.post(LOOKUP, json={"token": token})).status_code == 200

    await run(operator, "Every mailed token")

    answer = await client.post(LOOKUP, json={"token": token})
    assert problem(answer) == (400, "token-invalid")
    # A refresh token is not mailed, and random.
    named = {row["table_name"] for row in await operator.fetch(WITH_TOKENS)} - {"refresh_tokens"}
    assert set(re.findall(r"UPDATE public\.(\w+)", documented("Every mailed token"))) == named
