"""`app superuser` where the identity provider knows who people are."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.core.settings import Settings
from tests import background
from tests.environments import environment_of
from tests.shell import Shell, rows


@pytest.fixture(scope="module")
async def separate(settings: Settings, admin_url: str) -> AsyncIterator[Settings]:
    async with background.separate(settings, admin_url) as separate:
        yield separate


@pytest.fixture
def shell(separate: Settings, tmp_path: Path) -> Shell:
    return Shell(separate, environment_of(separate), tmp_path)


def test_a_superuser_is_made(shell: Shell) -> None:
    outcome = shell.run("superuser", "create", "Boss@Example.test")

    assert (outcome.code, outcome.out) == (0, "boss@example.test is a superuser.\n")
    [user] = rows(
        shell.settings,
        "SELECT is_superuser, email_verified_at IS NOT NULL FROM public.users"
        " WHERE email = 'boss@example.test'",
    )
    assert user == (True, True)
    again = shell.run("superuser", "create", "boss@example.test")
    assert (again.code, again.err) == (1, "Another user has this address.\n")


def test_what_an_operator_mistypes(shell: Shell) -> None:
    outcome = shell.run("superuser", "create", "nonsense")

    assert outcome.code == 2
    assert "email" in outcome.err
