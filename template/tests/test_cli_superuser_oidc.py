"""`app superuser` where the identity provider knows who people are."""

import pytest

from tests.shell import Shell, rows

pytestmark = pytest.mark.thorough


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
    assert (again.code, again.err) == (
        1,
        "This address has an account, which is not promoted: use another.\n",
    )


def test_what_an_operator_mistypes(shell: Shell) -> None:
    outcome = shell.run("superuser", "create", "nonsense")

    assert outcome.code == 2
    assert "email" in outcome.err
