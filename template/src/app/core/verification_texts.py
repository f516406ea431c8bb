"""Mails that prove an address, and the one that lets its reader choose a new password."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.core import about
from app.core.mail import Message
from app.core.mail_texts import link, shown_name, span

_FIRST: Final = """Confirm only what you registered yourself: the name and the password that were given there
become your account's, and every other registration of this address ends. You can choose
another password behind the link."""
_ENDS: Final = """
Every registration of this address that waits for an answer ends with it.
"""
_LATER: Final = """You have an account already, so your name and your password stay as they are. The link
creates the workspace."""
_MORE: Final = """There may be more. If yours is not among these, ask for this mail again: it names the next."""
_NOT_YOU: Final = "If it was not you, ignore this mail: nothing happens then."


@dataclass(frozen=True, slots=True)
class Registered:
    """What a mail says of a registration, so that its reader can tell it from another."""

    full_name: str
    tenant_name: str
    tenant_slug: str
    at: datetime
    token: str
    valid: timedelta


class VerificationTexts:
    """Builds these messages, whose links start with the service's public address."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    def verify_email(self, to: str, registered: Registered) -> Message:
        """Ask whether the reader has registered a workspace: a stranger may have named the address."""
        return Message(
            to,
            f"Confirm your registration of {registered.tenant_slug} on {about.NAME}",
            f"""Hello {shown_name(registered.full_name)},

a workspace on {about.NAME} was registered with this address:

{self._entry(registered)}

{_FIRST}

The link works for {span(registered.valid)}. {_NOT_YOU}
""",
        )

    def account_exists(self, to: str, full_name: str, registered: Registered) -> Message:
        """Tell somebody who has an account that a workspace was registered with the address."""
        return Message(
            to,
            f"Confirm your new workspace {registered.tenant_slug} on {about.NAME}",
            f"""Hello {shown_name(full_name)},

somebody, probably you, registered a workspace with this address:

{self._entry(registered)}

{_LATER}

The link works for {span(registered.valid)}. {_NOT_YOU}
""",
        )

    def registrations(
        self, to: str, registered: Sequence[Registered], *, proven: bool, complete: bool
    ) -> Message:
        """Name registrations that wait for an answer, each with its own link.

        `complete` is whether there are no others; else the next mail names those.
        """
        entries = "\n\n".join(self._entry(registration) for registration in registered)
        more = "" if complete else f"\n\n{_MORE}"
        return Message(
            to,
            f"Your registrations on {about.NAME}",
            f"""Hello,

these workspaces on {about.NAME} were registered with this address and wait for an answer:

{entries}

{_LATER if proven else _FIRST}{more}

Each link works for {span(registered[0].valid)}. {_NOT_YOU}
""",
        )

    def password_reset(
        self, to: str, *, full_name: str, proven: bool, token: str, valid: timedelta
    ) -> Message:
        """Let a user choose a new password; if the address is not `proven`, its registrations end."""
        return Message(
            to,
            f"Choose a new password for {about.NAME}",
            f"""Hello {shown_name(full_name)},

somebody, probably you, asked for a new password. Choose it here:

{link(self._public_url, "reset-password", token)}
{"" if proven else _ENDS}
The link works once, for {span(valid)}, and signs you out everywhere. If it was not you, ignore
this mail: your password stays as it is.
""",
        )

    def _entry(self, registered: Registered) -> str:
        return f"""Workspace: "{shown_name(registered.tenant_name)}" ({registered.tenant_slug})
Registered: {registered.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, by "{shown_name(registered.full_name)}"

{link(self._public_url, "verify-email", registered.token)}"""
