"""The words of mails that prove an address."""

from datetime import timedelta

import pytest

from app.core.mail import Message
from app.core.security.opaque_tokens import new_token
from app.core.verification_texts import VerificationTexts

HOUR = timedelta(hours=1)
TOKEN = new_token()
TEXTS = VerificationTexts("https://api.acme.test")
ALL = [
    TEXTS.verify_email(
        "a@acme.test", full_name="Ada", tenant_name="Acme", token=TOKEN, valid=24 * HOUR
    ),
    TEXTS.account_exists(
        "a@acme.test", full_name="Ada", tenant_name="Acme", token=TOKEN, valid=24 * HOUR
    ),
    TEXTS.password_reset("a@acme.test", full_name="Ada", token=TOKEN, valid=HOUR),
]
PAGES = ("verify-email", "verify-email", "reset-password")


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


def test_a_confirmation_says_which_workspace_it_opens() -> None:
    mail = TEXTS.verify_email(
        "a@acme.test", full_name="Ada", tenant_name="Analytical Engines", token=TOKEN, valid=HOUR
    )
    assert '"Analytical Engines"' in mail.text
