"""Every mail that the service writes. Change the words here."""

from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from app.core import about
from app.core.mail import Message
from app.core.roles import Role
from app.core.tenant_urls import TenantUrls

_MAX_NAME: Final = 80


class MailTexts:
    """Builds messages whose links start with the service's public address, or the tenant's.

    Each token also stands on a line of its own, for people who use the API without a browser.
    """

    def __init__(self, public_url: str, tenant_urls: TenantUrls) -> None:
        self._public_url = public_url
        self._tenant_urls = tenant_urls

    def verify_email(
        self, to: str, *, full_name: str, tenant_name: str, token: str, valid: timedelta
    ) -> Message:
        """Ask a new user to confirm the address; names the workspace, since a stranger may have registered one too."""
        return Message(
            to,
            f"Confirm your e-mail address for {about.NAME}",
            f"""Hello {_name(full_name)},

welcome to {about.NAME}. Please confirm that you registered the workspace "{_name(tenant_name)}"
with this address; the password that was chosen there becomes yours:

{_link(self._public_url, "verify-email", token)}

The link works for {_span(valid)}. If it was not you, ignore this mail: nothing happens then.
""",
        )

    def account_exists(
        self, to: str, *, full_name: str, tenant_name: str, token: str, valid: timedelta
    ) -> Message:
        """Tell somebody who has an account that a workspace was registered with the address."""
        return Message(
            to,
            f"Confirm your new workspace on {about.NAME}",
            f"""Hello {_name(full_name)},

somebody, probably you, registered the workspace "{_name(tenant_name)}" with this address.
You have an account already, so your password stays as it is. To create the workspace:

{_link(self._public_url, "verify-email", token)}

The link works for {_span(valid)}. If it was not you, ignore this mail: nothing happens then.
""",
        )

    def password_reset(self, to: str, *, full_name: str, token: str, valid: timedelta) -> Message:
        """Let a user choose a new password."""
        return Message(
            to,
            f"Choose a new password for {about.NAME}",
            f"""Hello {_name(full_name)},

somebody, probably you, asked for a new password. Choose it here:

{_link(self._public_url, "reset-password", token)}

The link works once, for {_span(valid)}, and signs you out everywhere. If it was not you, ignore
this mail: your password stays as it is.
""",
        )

    def invite(
        self,
        to: str,
        *,
        invited_by: str,
        tenant_name: str,
        tenant_slug: str,
        role: Role,
        token: str,
        valid: timedelta,
    ) -> Message:
        """Invite an address into a tenant."""
        return Message(
            to,
            f"{_name(invited_by)} invites you to {_name(tenant_name)}",
            f"""Hello,

{_name(invited_by)} invites you to join "{_name(tenant_name)}" on {about.NAME} as {role}:

{_link(self._tenant_urls.of(tenant_slug), "accept-invite", token)}

The invite is for this address only and works for {_span(valid)}. If you do not know the sender,
ignore this mail.
""",
        )

    def welcome(self, to: str, *, full_name: str, tenant_name: str, tenant_slug: str) -> Message:
        """Tell an owner that the workspace is ready."""
        return Message(
            to,
            f"{_name(tenant_name)} is ready",
            f"""Hello {_name(full_name)},

your workspace "{_name(tenant_name)}" is ready. Sign in here:

{self._tenant_urls.of(tenant_slug)}
""",
        )


def _link(url: str, page: str, token: str) -> str:
    return f"{url}/{page}?{urlencode({'token': token})}\n\nToken: {token}"


def _name(text: str) -> str:
    # Chosen by a person whom the reader may not know: one line, and no link to click on.
    return " ".join(text.replace("://", " ").split())[:_MAX_NAME]


def _span(duration: timedelta) -> str:
    hours = round(duration.total_seconds() / 3600)
    if hours >= 48:
        return f"{hours // 24} days"
    return "one hour" if hours <= 1 else f"{hours} hours"
