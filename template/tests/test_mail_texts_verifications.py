"""The words of mails that prove an address."""

from datetime import datetime, timedelta, timezone

import pytest

from app.core.mail import Message
from app.core.security.opaque_tokens import new_token
from app.core.verification_texts import Registered, VerificationTexts

HOUR = timedelta(hours=1)
TOKEN = new_token()
TEXTS = VerificationTexts("https://api.acme.test")
REGISTERED = Registered(
    full_name="Ada",
    tenant_name="Analytical Engines",
    tenant_slug="engines",
    at=datetime(2026, 3, 1, 13, 5, tzinfo=timezone(HOUR)),
    token=TOKEN,
    valid=24 * HOUR,
)
ALL = [
    TEXTS.verify_email("a@acme.test", REGISTERED),
    TEXTS.account_exists("a@acme.test", "Ada", REGISTERED),
    TEXTS.registrations("a@acme.test", [REGISTERED], proven=False, complete=False),
    TEXTS.registrations("a@acme.test", [REGISTERED], proven=True, complete=True),
    TEXTS.password_reset("a@acme.test", full_name="Ada", proven=True, token=TOKEN, valid=HOUR),
    TEXTS.password_reset("a@acme.test", full_name="Ada", proven=False, token=TOKEN, valid=HOUR),
]
PAGES = (*["verify-email"] * 4, *["reset-password"] * 2)


@pytest.mark.parametrize(("page", "message"), list(zip(PAGES, ALL, strict=True)))
def test_a_link_and_a_token_to_copy(page: str, message: Message) -> None:
    lines = message.text.splitlines()
    assert f"https://api.acme.test/{page}?token={TOKEN}" in lines
    assert f"Token: {TOKEN}" in lines


@pytest.mark.parametrize("message", ALL, ids=lambda message: message.subject)
def test_texts_are_short_and_plain(message: Message) -> None:
    assert message.html is None
    assert all(len(line) <= 100 for line in message.text.splitlines())
    assert "  " not in message.text
    assert message.text.startswith("Hello")


@pytest.mark.parametrize("message", ALL[:4], ids=lambda message: message.subject)
def test_a_confirmation_says_which_registration_it_is(message: Message) -> None:
    lines = message.text.splitlines()
    assert 'Workspace: "Analytical Engines" (engines)' in lines
    assert 'Registered: 2026-03-01 12:05 UTC, by "Ada"' in lines


def test_a_confirmation_says_whose_password_the_account_gets() -> None:
    first, later, listed, listed_later, _, reset = (message.text for message in ALL)
    assert "registration of this address that waits for an answer ends" in reset
    for text in (first, listed):
        assert "password that were given there\nbecome your account's" in text
    for text in (later, listed_later):
        assert "your password stay as they are" in text
    assert "ask for this mail again" in listed
    assert "ask for this mail again" not in listed_later
