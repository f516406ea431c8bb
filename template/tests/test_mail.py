"""Mail over a real SMTP server, in clear, over TLS and with STARTTLS."""

import asyncio
import email
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from app.core.mail import MailDelayed, MailRefused, Message, SmtpMailer
from app.core.settings import MailSettings
from tests.patience import PATIENCE_SECONDS


class Inbox:
    """Keeps what arrives; refuses some recipients."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such user"
        if address.startswith("later@"):
            return "451 try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.envelopes.append(envelope)
        return "250 OK"

    def mail(self) -> EmailMessage:
        [envelope] = self.envelopes
        assert isinstance(envelope.content, bytes)
        return email.message_from_bytes(envelope.content, policy=default)


@asynccontextmanager
async def serving(inbox: Inbox, **options: Any) -> AsyncIterator[int]:
    """Start an SMTP server and yield its port."""
    connections: list[SMTP] = []

    def connect() -> SMTP:
        connections.append(SMTP(inbox, hostname="localhost", **options))
        return connections[-1]

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for connection in connections:
            # aiosmtpd leaves it open when the client is quicker to close.
            if connection.transport is not None:
                connection.transport.close()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def smtp(inbox: Inbox) -> AsyncIterator[str]:
    async with serving(inbox) as port:
        yield f"smtp://127.0.0.1:{port}"


def mailer(url: str, **changes: Any) -> SmtpMailer:
    values = {"smtp_url": url, "sender": "service@lobby.test"} | changes
    return SmtpMailer(MailSettings.model_validate(values))


async def test_a_message_arrives(smtp: str, inbox: Inbox) -> None:
    message = Message("ada@acme.test", "Grüße", "Hallo Ada,\n.\nschöne Grüße\n", "<p>schön</p>")
    await mailer(smtp).send(message)

    [envelope] = inbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("service@lobby.test", ["ada@acme.test"])
    mail = inbox.mail()
    assert mail["To"] == "ada@acme.test"
    assert mail["From"].addresses[0].addr_spec == "service@lobby.test"
    assert mail["Subject"] == "Grüße"
    assert mail["Message-ID"].endswith("@lobby.test>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"]
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == message.text
    assert html.get_content().strip() == message.html


@pytest.mark.parametrize(
    "subject",
    [
        "Hi\r\nBcc: all@acme.test",
        "Hi\nBcc: all@acme.test",
        "Hi\rBcc: all@acme.test",
        "Hi\r\n\r\nBcc: all@acme.test",
        "Hi\u2028Bcc: all@acme.test",
        "Hi\x0bBcc: all@acme.test",
        "Hi\x85Bcc: all@acme.test",
    ],
    ids=repr,
)
async def test_a_subject_begins_no_header(smtp: str, inbox: Inbox, subject: str) -> None:
    await mailer(smtp).send(Message("ada@acme.test", subject, "x"))
    assert inbox.mail()["Subject"] == "Hi Bcc: all@acme.test"
    assert inbox.mail()["Bcc"] is None
    assert inbox.envelopes[0].rcpt_tos == ["ada@acme.test"]


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ada",
        "ada@acme.test, eve@evil.test",
        "ada@acme.test\r\nBcc: eve@evil.test",
        "Ada <ada@acme.test>",
    ],
    ids=repr,
)
async def test_a_recipient_is_one_address(smtp: str, inbox: Inbox, to: str) -> None:
    with pytest.raises(MailRefused):
        await mailer(smtp).send(Message(to, "Hi", "x"))
    assert not inbox.envelopes


async def test_refusals_for_good_and_for_now(smtp: str) -> None:
    sender = mailer(smtp)
    with pytest.raises(MailRefused):
        await sender.send(Message("nobody@acme.test", "Hi", "x"))
    with pytest.raises(MailDelayed):
        await sender.send(Message("later@acme.test", "Hi", "x"))


async def test_a_server_that_is_gone(inbox: Inbox) -> None:
    async with serving(inbox) as port:
        pass
    with pytest.raises(MailDelayed):
        await mailer(f"smtp://127.0.0.1:{port}").send(Message("a@acme.test", "Hi", "x"))


async def test_a_server_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url, message = (
            f"smtp://127.0.0.1:{silent.getsockname()[1]}",
            Message("a@acme.test", "Hi", "x"),
        )
        patient = asyncio.create_task(mailer(url, timeout=PATIENCE_SECONDS).send(message))
        with pytest.raises(MailDelayed):
            await mailer(url, timeout=0.1).send(message)
        assert not patient.done(), "the setting decides"
        patient.cancel()
        await asyncio.wait([patient])


async def test_starttls_is_not_optional(smtp: str, inbox: Inbox) -> None:
    with pytest.raises(MailDelayed):
        await mailer(smtp.replace("smtp:", "smtp+starttls:")).send(
            Message("a@acme.test", "Hi", "x")
        )
    assert not inbox.envelopes


async def test_credentials_of_the_url_are_decoded(inbox: Inbox) -> None:
    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        known = data == LoginPassword(b"us er", b"p@ss/word")
        # What is not handled is answered with 535.
        return AuthResult(success=known, handled=known)

    async with serving(inbox, authenticator=authenticate, auth_require_tls=False) as port:
        url = f"smtp://us%20er:p%40ss%2Fword@127.0.0.1:{port}"
        await mailer(url).send(Message("a@acme.test", "Hi", "x"))
        assert len(inbox.envelopes) == 1
        # An operator's mistake; the mail waits until it is mended.
        with pytest.raises(MailDelayed):
            await mailer(url.replace("p%40ss", "wrong")).send(Message("a@acme.test", "Hi", "x"))
