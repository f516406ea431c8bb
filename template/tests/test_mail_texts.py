"""The words of mails."""

import re
from datetime import timedelta

import pytest

from app.core.mail import Message
from app.core.mail_texts import MailTexts, shown_name, span
from app.core.roles import Role
from app.core.security.opaque_tokens import new_token
from app.core.tenant_urls import TenantUrls
from tests.sections import probe_settings

HOUR = timedelta(hours=1)
TOKEN = new_token()
EVIL = 'Eve\r\nBcc: x@acme.test http://evil.test/"><script>' + "x" * 500
ADDRESS = re.compile(r"[.:\u3002](?=[^\W_])", re.ASCII)
"""What a mail program sees in a web or mail address."""


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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Acme, Inc. (Dr. O'Neil-Smith)", "Acme, Inc. (Dr. O'Neil-Smith)"),
        ("Reset at www.evil.example/login now", "Reset at www. evil. example/login now"),
        ("HTTPS://evil.test:8080", "HTTPS evil. test: 8080"),
        ("mailto:eve@evil.test", "mailto: eve@evil. test"),
        ("10.0.0.1/login", "10. 0. 0. 1/login"),
        ("evil\u3002test evil.\u200btest", "evil\u3002 test evil. \u200btest"),
        ("a\x1b[2J\x07b\tc\x85d\u202ee\u2069", "a[2Jb c de"),
    ],
)
def test_a_name_has_no_address_and_no_control_character(name: str, shown: str) -> None:
    assert shown_name(name) == shown
    assert not ADDRESS.search(shown)
