"""A request names its tenant by its token alone."""

from typing import Final

INSTEAD: Final[dict[str, str]] = {}
"""The sub-protocol with which a browser names the tenant of a socket, by the header that it cannot send."""
LOBBY: Final = (400, "tenant-required")
"""How a route of a tenant refuses a token of the lobby."""


def addressed(_method: str, path: str, _tenant: str | None) -> tuple[str, dict[str, str]]:
    """Return the URL and the headers of a request to a route of `api/v1`."""
    return f"/api/v1{path}", {}
