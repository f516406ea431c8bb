"""Mails that prove an address, and the one that lets its reader choose a new password."""

from datetime import timedelta

from app.core import about
from app.core.mail import Message
from app.core.mail_texts import link, shown_name, span


class VerificationTexts:
    """Builds these messages, whose links start with the service's public address."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    def verify_email(
        self, to: str, *, full_name: str, tenant_name: str, token: str, valid: timedelta
    ) -> Message:
        """Ask a new user to confirm the address; names the workspace, since a stranger may have registered one too."""
        return Message(
            to,
            f"Confirm your e-mail address for {about.NAME}",
            f"""Hello {shown_name(full_name)},

welcome to {about.NAME}. Please confirm that you registered the workspace "{shown_name(tenant_name)}"
with this address; the password that was chosen there becomes yours:

{link(self._public_url, "verify-email", token)}

The link works for {span(valid)}. If it was not you, ignore this mail: nothing happens then.
""",
        )

    def account_exists(
        self, to: str, *, full_name: str, tenant_name: str, token: str, valid: timedelta
    ) -> Message:
        """Tell somebody who has an account that a workspace was registered with the address."""
        return Message(
            to,
            f"Confirm your new workspace on {about.NAME}",
            f"""Hello {shown_name(full_name)},

somebody, probably you, registered the workspace "{shown_name(tenant_name)}" with this address.
You have an account already, so your password stays as it is. To create the workspace:

{link(self._public_url, "verify-email", token)}

The link works for {span(valid)}. If it was not you, ignore this mail: nothing happens then.
""",
        )

    def password_reset(self, to: str, *, full_name: str, token: str, valid: timedelta) -> Message:
        """Let a user choose a new password."""
        return Message(
            to,
            f"Choose a new password for {about.NAME}",
            f"""Hello {shown_name(full_name)},

somebody, probably you, asked for a new password. Choose it here:

{link(self._public_url, "reset-password", token)}

The link works once, for {span(valid)}, and signs you out everywhere. If it was not you, ignore
this mail: your password stays as it is.
""",
        )
