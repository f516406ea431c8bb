"""Outgoing mail: what a message is, and SMTP."""

from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.core import about
from app.core.settings import MailSettings

_MAX_SUBJECT: Final = 200


class MailRefused(Exception):
    """The server refuses the message for good: sending it again is useless."""


class MailDelayed(Exception):
    """The server is unreachable or refuses for now: sending it again may help."""


@dataclass(frozen=True, slots=True)
class Message:
    """A mail to one person."""

    to: str
    subject: str
    text: str
    html: str | None = None


class Mailer(Protocol):
    """Sends mail."""

    async def send(self, message: Message) -> None:
        """Hand the message over to a server that takes responsibility for it.

        Raises:
            MailRefused: for good.
            MailDelayed: for now.
        """
        ...


class SmtpMailer:
    """Sends each message over a connection of its own.

    `smtp://` is plain text, `smtps://` is TLS from the start, and `smtp+starttls://` insists on
    STARTTLS; certificates are verified.
    """

    def __init__(self, settings: MailSettings) -> None:
        url = urlsplit(settings.smtp_url.get_secret_value())
        self._sender = settings.sender
        self._domain = settings.sender.rpartition("@")[2]
        self._host = url.hostname or "localhost"
        self._port = url.port
        self._username = unquote(url.username) if url.username else None
        self._password = unquote(url.password) if url.password else None
        self._tls = url.scheme == "smtps"
        self._starttls = url.scheme == "smtp+starttls"
        self._timeout_seconds = settings.timeout.total_seconds()

    async def send(self, message: Message) -> None:
        """Hand the message over to the server.

        Raises:
            MailRefused: the recipient or the content, by its shape or by the server's verdict.
            MailDelayed: everything else, from a timeout to wrong credentials.
        """
        try:
            await aiosmtplib.send(
                self._composed(message),
                hostname=self._host,
                port=self._port,
                username=self._username,
                password=self._password,
                use_tls=self._tls,
                start_tls=self._starttls,
                timeout=self._timeout_seconds,
                # Its default asks the DNS, and everything waits.
                local_hostname=self._domain,
            )
        except (aiosmtplib.SMTPException, OSError) as exc:
            if _is_final(exc):
                raise MailRefused(type(exc).__name__) from exc
            raise MailDelayed(type(exc).__name__) from exc

    def _composed(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        try:
            mail["From"] = Address(about.NAME, addr_spec=self._sender)
            mail["To"] = Address(addr_spec=message.to)
            # Subjects quote names that people chose; a line break would begin a header.
            mail["Subject"] = " ".join(message.subject.split())[:_MAX_SUBJECT]
            mail["Date"] = formatdate()
            mail["Message-ID"] = make_msgid(domain=self._domain)
            # No vacation notices in return (RFC 3834).
            mail["Auto-Submitted"] = "auto-generated"
            mail.set_content(message.text)
            if message.html is not None:
                mail.add_alternative(message.html, subtype="html")
        except (MessageError, ValueError, IndexError) as exc:
            # IndexError: what Python before 3.13 answers to an empty address.
            raise MailRefused(type(exc).__name__) from exc
        return mail


def _is_final(exc: Exception) -> bool:
    # Credentials, certificates and the sender are the operator's to mend; the mail waits for it.
    if isinstance(exc, aiosmtplib.SMTPRecipientsRefused):
        return all(_is_permanent(refusal.code) for refusal in exc.recipients)
    return isinstance(exc, aiosmtplib.SMTPDataError) and _is_permanent(exc.code)


def _is_permanent(code: int) -> bool:
    return code // 100 == 5
