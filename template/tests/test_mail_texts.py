"""The words of mails."""

from datetime import timedelta

import pytest

from app.core.mail import Message
from app.core.mail_texts import MailTexts, span
from app.core.roles import Role
from app.core.security.opaque_tokens import new_token
from app.core.tenant_urls import TenantUrls
from tests.probe import probe_settings

HOUR = timedelta(hours=1)
TOKEN = new_token()
EVIL = 'Eve\r\nBcc: x@acme.test http://evil.test/"><script>' + "x" * 500


@pytest.fixture(scope="module")
def texts() -> MailTexts:
    return MailTexts(TenantUrls(probe_settings(public_url="https://app.example.test")))


@pytest.fixture(scope="module")
def invite(texts: MailTexts) -> Message:
    return texts.invite(
        "a@acme.test",
        invited_by="Bob",
        tenant_name="Acme",
        tenant_slug="acme",
        role=Role.ADMIN,
        token=TOKEN,
        valid=168 * HOUR,
    )


def test_a_link_and_a_token_to_copy(invite: Message) -> None:
    lines = invite.text.splitlines()
    [link] = [line for line in lines if line.startswith("https://")]
    assert link.endswith(f"/accept-invite?token={TOKEN}")
    assert f"Token: {TOKEN}" in lines


def test_texts_are_short_and_plain(texts: MailTexts, invite: Message) -> None:
    welcome = texts.welcome("a@acme.test", full_name="Ada", tenant_name="Acme", tenant_slug="acme")
    for message in (invite, welcome):
        assert message.html is None
        assert all(len(line) <= 100 for line in message.text.splitlines())
        assert "  " not in message.text
        assert message.text.startswith("Hello")


def test_durations_read_well(invite: Message) -> None:
    assert [span(n * HOUR) for n in (0.5, 1, 24, 168)] == [
        "one hour",
        "one hour",
        "24 hours",
        "7 days",
    ]
    assert "7 days" in invite.text


def test_a_name_that_somebody_chose_is_one_short_line_without_a_link(texts: MailTexts) -> None:
    message = texts.invite(
        "a@acme.test",
        invited_by=EVIL,
        tenant_name=EVIL,
        tenant_slug="acme",
        role=Role.MEMBER,
        token=TOKEN,
        valid=HOUR,
    )
    assert "\n" not in message.subject
    assert "://evil" not in message.text
    assert all(len(line) < 250 for line in message.text.splitlines())
