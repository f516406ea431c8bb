"""How the start page speaks of signing in, and the pages that belong to it."""

from collections.abc import Iterable
from typing import Final

from app.api.pages import password_pages, provider_pages
from app.api.pages.rendering import Host
from app.core.settings import DevSettings

ROUTERS: Final = (password_pages.router, provider_pages.router)
SCRIPTS: Final = (password_pages.SCRIPT, provider_pages.SCRIPT)

_ENDS: Final = "That ends a seeded password, until <code>app seed</code> gives it back."


def hint(dev: DevSettings) -> str:
    """Return what stands above the list of logins."""
    return f"{password_pages.password_hint(dev.seed_password)} {provider_pages.ANYBODY} {_ENDS}"


def sections(host: Host) -> Iterable[str]:
    """Return what a person can fill in or click on, as HTML."""
    yield password_pages.forms(host)
    yield provider_pages.form(host)
