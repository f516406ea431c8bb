"""Every mail that the service writes. Change the words here."""

import re
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from app.core import about
from app.core.mail import Message
from app.core.one_line import as_one_line
from app.core.roles import Role
from app.core.tenant_urls import TenantUrls

_MAX_NAME: Final = 80
# Between a dot or colon and what goes on behind it. Mail programs make a link of `www.example.org` as well.
_WITHIN_ADDRESS: Final = re.compile(
    r"(?<=[.:\u2024\u3002\uff0e\uff61])(?=[0-9A-Za-z]|[^\x00-\x7f])"
)


class MailTexts:
    """Builds messages whose links start with the tenant's address.

    Each token also stands on a line of its own, for people who use the API without a browser.
    """

    def __init__(self, tenant_urls: TenantUrls) -> None:
        self._tenant_urls = tenant_urls

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
            f"{shown_name(invited_by)} invites you to {shown_name(tenant_name)}",
            f"""Hello,

{shown_name(invited_by)} invites you to join "{shown_name(tenant_name)}" on {about.NAME} as {role}:

{link(self._tenant_urls.of(tenant_slug), "accept-invite", token)}

The invite is for this address only and works for {span(valid)}. If you do not know the sender,
ignore this mail.
""",
        )

    def welcome(self, to: str, *, full_name: str, tenant_name: str, tenant_slug: str) -> Message:
        """Tell an owner that the workspace is ready."""
        return Message(
            to,
            f"{shown_name(tenant_name)} is ready",
            f"""Hello {shown_name(full_name)},

your workspace "{shown_name(tenant_name)}" is ready. Sign in here:

{self._tenant_urls.of(tenant_slug)}
""",
        )


def link(url: str, page: str, token: str) -> str:
    """Return a link to a page below `url`, and the token on a line of its own."""
    return f"{url}/{page}?{urlencode({'token': token})}\n\nToken: {token}"


def shown_name(text: str) -> str:
    """Return a name that a person chose whom the reader may not know: one short line.

    Web and mail addresses in it are broken by spaces, so that no mail program makes a link of one.
    """
    return _WITHIN_ADDRESS.sub(" ", as_one_line(text.replace("://", " ")))[:_MAX_NAME]


def span(duration: timedelta) -> str:
    """Return a duration in words, rounded to hours or days."""
    hours = round(duration.total_seconds() / 3600)
    if hours >= 48:
        return f"{hours // 24} days"
    return "one hour" if hours <= 1 else f"{hours} hours"
