"""Where a browser may be sent after it has signed in."""

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from app.core.errors import InvalidRequest
from app.core.settings import Settings
from app.core.tenant_urls import TenantUrls

_SAFE: Final = re.compile(r"[!-\[\]-~]{1,2048}", re.ASCII)


class ReturnAddresses:
    """The service's own pages, those of the tenant that is entered, and those of the origins that may call it."""

    def __init__(self, settings: Settings) -> None:
        self._public_url = settings.public_url
        self._tenant_urls = TenantUrls(settings)
        self._origins = {_origin(settings.public_url), *settings.http.cors_origins} - {"*"}

    def resolve(self, return_to: str, tenant: str | None = None) -> str:
        """Return the URL that a path or a URL of a client stands for.

        Raises:
            InvalidRequest: it leads elsewhere, or browsers could read it in another way than this does.
        """
        # No backslash, space or control character: some browsers take `/\evil` for `//evil`.
        if _SAFE.fullmatch(return_to):
            if return_to.startswith("/") and not return_to.startswith("//"):
                return f"{self._public_url}{return_to}"
            if self._is_allowed(return_to, tenant):
                return return_to
        raise InvalidRequest(
            "It is no path of this service and no URL of an allowed origin.",
            pointer="/query/return_to",
        )

    def _is_allowed(self, url: str, tenant: str | None) -> bool:
        own = set() if tenant is None else {_origin(self._tenant_urls.of(tenant))}
        try:
            return _origin(url) in self._origins | own
        except ValueError:
            return False


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def with_parameters(url: str, **parameters: str) -> str:
    """Return the URL with these parameters beside its own, and without a fragment."""
    parts = urlsplit(url)
    own = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode([*own, *parameters.items()])
    return parts._replace(query=query, fragment="").geturl()
