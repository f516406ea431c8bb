"""Names that no new tenant takes: as a host or a path, they would be mistaken for the service's or the platform's."""

from typing import Final
from urllib.parse import urlsplit

from app.core.errors import SlugTaken
from app.core.settings import Settings

# Role mailboxes, and the services that they belong to (RFC 2142).
_MAILBOXES: Final = """
abuse ftp hostmaster info marketing news noc postmaster sales security support usenet uucp webmaster www
"""

# What programs look for by itself in a domain: proxies, mail accounts, keys and policies.
_LOOKED_FOR: Final = """
autoconfig autodiscover broadcasthost isatap localdomain localhost mta-sts openpgpkey wpad
"""

_HOSTS: Final = "dns email imap mail mx ns ns1 ns2 ns3 ns4 pop pop3 smtp webmail"

# What people take for the platform's own.
_PLATFORM: Final = """
account accounts admin administrator api app auth billing blog cdn dashboard docs health help id internal intranet
login metrics oauth pay payments register root secure signin signup sso ssl static status superuser sysadmin system
vpn web
"""

RESERVED: Final = frozenset(f"{_MAILBOXES} {_LOOKED_FOR} {_HOSTS} {_PLATFORM}".split())
"""`TENANTS__RESERVED_SLUGS` adds others."""


class ReservedSlugs:
    """The reserved names of one service, its host's label among them. Tenants that have one keep it."""

    def __init__(self, settings: Settings) -> None:
        own_host = urlsplit(settings.public_url).hostname or ""
        added = (own_host.partition(".")[0], *settings.tenants.reserved_slugs)
        self._names = RESERVED | {_spelt(name) for name in added}

    def refuse(self, slug: str) -> None:
        """Raise for a name that is reserved, however its hyphens are written.

        Raises:
            SlugTaken: it is.
        """
        if _spelt(slug) in self._names:
            raise SlugTaken("This name is reserved.")


def _spelt(name: str) -> str:
    return name.lower().replace("_", "-")
