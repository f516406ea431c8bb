"""Mail as it was handed in."""

import asyncio
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_MESSAGES = 500
MAX_MESSAGE_BYTES = 10 * 1024 * 1024
MAX_TOTAL_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Message:
    """One mail, its bodies decoded."""

    id: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    """Of the envelope, so hidden copies show."""
    subject: str
    text: str | None
    html: str | None
    attachments: tuple[str, ...]
    source: bytes

    def is_for(self, address: str) -> bool:
        """Whether it went to this address, upper and lower case alike."""
        return address.casefold() in (recipient.casefold() for recipient in self.recipients)


class Messages:
    """The newest messages; the oldest give way to `MAX_MESSAGES` and `MAX_TOTAL_BYTES`."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self._ids = itertools.count(1)
        self._arrived = asyncio.Condition()

    def find(self, message_id: int) -> Message | None:
        """The message, unless it never came or gave way."""
        return next((message for message in self._messages if message.id == message_id), None)

    def list(self, to: str | None = None) -> Sequence[Message]:
        """The newest first; with `to` only those for that address."""
        return [message for message in reversed(self._messages) if not to or message.is_for(to)]

    async def wait(self, to: str | None, timeout_seconds: float) -> Sequence[Message]:
        """As `list`, but not empty unless nothing arrives in time."""
        try:
            async with asyncio.timeout(timeout_seconds), self._arrived:
                return await self._arrived.wait_for(lambda: self.list(to))
        except TimeoutError:
            return []

    async def add(self, sender: str, recipients: Sequence[str], source: bytes) -> None:
        """Take a mail in."""
        self._messages.append(_read(next(self._ids), sender, recipients, source))
        while sum(len(message.source) for message in self._messages) > MAX_TOTAL_BYTES:
            self._messages.popleft()
        async with self._arrived:
            self._arrived.notify_all()


class Inbox:
    """What aiosmtpd calls for each mail."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        """Accept it, whatever it is."""
        content = envelope.content or b""
        source = content.encode() if isinstance(content, str) else content
        await self._messages.add(envelope.mail_from or "", envelope.rcpt_tos, source)
        return "250 OK"


def _read(message_id: int, sender: str, recipients: Sequence[str], source: bytes) -> Message:
    mail = message_from_bytes(source, policy=policy.default)
    return Message(
        id=message_id,
        received_at=datetime.now(UTC),
        sender=sender,
        recipients=tuple(recipients),
        subject=str(mail.get("Subject", "")),
        text=_body(mail, "plain"),
        html=_body(mail, "html"),
        attachments=tuple(part.get_filename("unnamed") for part in mail.iter_attachments()),
        source=source,
    )


def _body(mail: EmailMessage, kind: str) -> str | None:
    part = mail.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError):
        # An unknown or a wrong charset; showing something helps more than showing nothing.
        payload = part.get_payload(decode=True)
        return payload.decode(errors="replace") if isinstance(payload, bytes) else str(payload)
