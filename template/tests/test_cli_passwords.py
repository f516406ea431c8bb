"""The commands that have to do with passwords."""

import pytest

from tests.shell import Shell, rows

pytestmark = pytest.mark.thorough

PASSWORD = "correct-horse-9-battery"


def test_a_superuser_is_made_with_a_password_from_standard_input(shell: Shell) -> None:
    outcome = shell.run("superuser", "create", "Boss@Example.test", stdin=f"{PASSWORD}\n")

    assert (outcome.code, outcome.out) == (0, "boss@example.test is a superuser.\n")
    [user] = rows(
        shell.settings,
        "SELECT is_superuser, email_verified_at IS NOT NULL FROM public.users"
        " WHERE email = 'boss@example.test'",
    )
    assert user == (True, True)
    audit = rows(
        shell.settings,
        "SELECT action, user_id FROM public.audit_logs WHERE entity_type = 'user'"
        " AND after ->> 'email' = 'boss@example.test'",
    )
    assert audit == [("user.created", None)]


def test_a_password_may_come_from_the_environment(shell: Shell) -> None:
    outcome = shell.run("superuser", "create", "env@example.test", SUPERUSER_PASSWORD=PASSWORD)

    assert outcome.code == 0


@pytest.mark.parametrize(
    ("email", "password", "code", "sentence"),
    [
        ("weak@example.test", "password", 1, "This is a top-10 common password."),
        ("none@example.test", "", 1, "There is no password"),
        ("nonsense", PASSWORD, 2, "email"),
    ],
)
def test_a_superuser_is_refused(
    shell: Shell, email: str, password: str, code: int, sentence: str
) -> None:
    outcome = shell.run("superuser", "create", email, stdin=password)

    assert outcome.code == code
    assert sentence in outcome.err


def test_an_account_that_exists_is_not_promoted(shell: Shell) -> None:
    shell.run("superuser", "create", "taken@example.test", stdin=PASSWORD)
    rows(
        shell.settings,
        "UPDATE public.users SET is_superuser = false WHERE email = 'taken@example.test'",
    )

    outcome = shell.run("superuser", "create", "taken@example.test", stdin=PASSWORD)

    assert (outcome.code, outcome.err) == (
        1,
        "This address has an account, which is not promoted: use another.\n",
    )
    found = rows(
        shell.settings,
        "SELECT is_superuser FROM public.users WHERE email = 'taken@example.test'",
    )
    assert found == [(False,)]


def test_the_samples_need_a_password(shell: Shell) -> None:
    outcome = shell.run("seed", DEV__SEED_PASSWORD=None)

    assert outcome.code == 2
    assert outcome.err.startswith("DEV__SEED_PASSWORD is not set")


def test_the_samples_password_is_not_printed(shell: Shell) -> None:
    outcome = shell.run("seed", DEV__SEED_PASSWORD=PASSWORD)

    assert outcome.code == 0, outcome.err
    assert PASSWORD not in outcome.out
