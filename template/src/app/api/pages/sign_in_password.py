"""How the start page speaks of signing in, and the pages that belong to it."""

from collections.abc import Iterable
from typing import Final

from app.api.pages import password_pages
from app.api.pages.rendering import Host
from app.core.settings import DevSettings

ROUTERS: Final = (password_pages.router,)
SCRIPTS: Final = (password_pages.SCRIPT,)


def hint(dev: DevSettings) -> str:
    """Return what stands above the list of logins."""
    return password_pages.password_hint(dev.seed_password)


def sections(host: Host) -> Iterable[str]:
    """Return what a person can fill in or click on, as HTML."""
    yield password_pages.forms(host)
