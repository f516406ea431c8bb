"""How the start page speaks of signing in, and the pages that belong to it."""

from collections.abc import Iterable
from typing import Final

from app.api.pages import invite_page, provider_pages
from app.api.pages.rendering import Host
from app.core.settings import DevSettings

ROUTERS: Final = (provider_pages.router, invite_page.router)
SCRIPTS: Final = (provider_pages.SCRIPT,)


def hint(_dev: DevSettings) -> str:
    """Return what stands above the list of logins."""
    return provider_pages.ANYBODY


def sections(host: Host) -> Iterable[str]:
    """Return what a person can fill in or click on, as HTML."""
    yield provider_pages.form(host)
