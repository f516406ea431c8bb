"""The tenant is named by the host, `acme.example.com`, by slug or id."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from starlette.types import Scope

from app.api.context.named_tenant import REFUSALS, named_tenant
from app.api.context.public_path import PROBES
from app.api.context.tenant_strategy import ClaimedTenant
from app.api.problems import problems
from app.core.host_errors import HostUnknown
from app.core.hosts import host_label
from app.core.security.access_tokens import AccessClaims
from app.core.settings import Settings
from app.core.tenant_urls import TenantUrls

_HOST: Final = b"host"
_SHAPE: Final = re.compile(
    r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^\[\]:]+))(?::(?P<port>[0-9]{0,5}))?", re.ASCII
)
_MAX_PORT: Final = 65_535
_KEY: Final = "host"
_REFUSED: Final = {str(status): value for status, value in problems(HostUnknown).items()}


@dataclass(frozen=True, slots=True)
class _Host:
    label: str | None
    """What stands before the base domain; `None` at the base domain itself, and outside."""
    is_lobby: bool
    tenants: str
    """Where tenants are, for people."""


class Hosts:
    """The hosts of the lobby, and those below the base domain, which are tenants'. Ports do not count."""

    def __init__(self, settings: Settings) -> None:
        self._lobby = {settings.base_domain, urlsplit(settings.public_url).hostname}
        self._tenants = TenantUrls(settings).of("{tenant}")
        self._suffix = f".{settings.base_domain}"

    def note(self, scope: Scope) -> None:
        """Put the request's host into its state, where `TenantStrategy` finds it.

        Raises:
            HostUnknown: it is neither the lobby's nor a tenant's, or there is none, or there are several.
        """
        hosts: list[bytes] = [value for name, value in scope["headers"] if name == _HOST]
        if len(hosts) != 1:
            raise HostUnknown
        name = _name_of(hosts[0].decode("latin-1").lower())
        label = host_label(name.removesuffix(self._suffix)) if name.endswith(self._suffix) else None
        is_lobby = name in self._lobby
        if not is_lobby and (not label or "." in label):
            raise HostUnknown
        scope["state"][_KEY] = _Host(label, is_lobby, self._tenants)


def _name_of(host: str) -> str:
    found = _SHAPE.fullmatch(host)
    if found is None or int(found["port"] or 0) > _MAX_PORT:
        raise HostUnknown
    return found["address"] or found["name"]


def label_of(scope: Scope) -> str | None:
    """Return the tenant that the request's host names, as it stands there; `None` at the lobby's."""
    host: _Host = scope["state"][_KEY]
    return None if host.is_lobby else host.label


class TenantStrategy:
    """`https://acme.example.com/api/v1/projects`"""

    refusals: ClassVar = REFUSALS

    def tenant_of(self, scope: Scope, claims: AccessClaims) -> ClaimedTenant:
        """Return the tenant that the host names and the token is for.

        Raises:
            TenantRequired, TenantInvalid, TenantMismatch: as `named_tenant`.
        """
        host: _Host = scope["state"][_KEY]
        how = f"Send the request to the tenant's host, {host.tenants}."
        slug = claims.tenant_slug
        if slug is not None and host_label(slug) == host.label:
            return named_tenant(slug, claims, how=how)
        return named_tenant(None if host.is_lobby else host.label, claims, how=how)

    def describe(
        self, document: dict[str, Any], _operations: list[dict[str, Any]], urls: TenantUrls
    ) -> None:
        """Say on which hosts tenants are. Only this one is a server: a page may not call another host's."""
        document["servers"] = [{"url": urls.path or "/", "description": "This host"}]
        document["info"]["description"] += (
            f"\n\nRoutes of a tenant answer on its host, `{urls.of('{tenant}')}`; there are all other routes as well."
        )
        for path, operations in document["paths"].items():
            if not path.startswith(PROBES):
                for operation in operations.values():
                    operation["responses"] |= _REFUSED

    def hint(self, slug: str, urls: TenantUrls) -> str:
        """Return a sentence for people about how requests reach the tenant `slug`."""
        return f"Routes of a tenant answer on its host: {urls.of(slug)}/docs tries them."
