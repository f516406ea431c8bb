"""A request names its tenant by `X-Tenant-ID`."""

from typing import Final

INSTEAD: Final = {"X-Tenant-ID": "tenant"}
"""The sub-protocol with which a browser names the tenant of a socket, by the header that it cannot send."""
LOBBY: Final = (403, "tenant-mismatch")
"""How a route of a tenant refuses a token of the lobby."""


def addressed(_method: str, path: str, tenant: str | None) -> tuple[str, dict[str, str]]:
    """Return the URL and the headers of a request to a route of `api/v1`."""
    return f"/api/v1{path}", {} if tenant is None else {"X-Tenant-ID": tenant}
