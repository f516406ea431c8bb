"""Which address a request comes from, when proxies stand in between."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.types import Scope

_MAX_HOPS: Final = 16
_REMEMBERED: Final = 4096


class ClientAddresses:
    """Finds the client behind trusted proxies.

    `X-Forwarded-For` is read from the right, as far as each hop is a trusted proxy: what stands
    left of the first untrusted address was written by the client itself.
    """

    def __init__(self, trusted_proxies: Iterable[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(trusted_proxies)
        self._is_trusted = lru_cache(maxsize=_REMEMBERED)(self._looked_up)

    def address_of(self, scope: Scope) -> str | None:
        """Return the client's IP address in its canonical form, `None` if the peer has none."""
        client = scope.get("client")
        peer = parse_address(client[0]) if client else None
        if peer is None or not self._networks or not self._is_trusted(peer):
            return peer
        address = peer
        for hop in reversed(_hops(scope)):
            parsed = parse_address(hop)
            if parsed is None:
                return peer
            address = parsed
            if not self._is_trusted(address):
                break
        return address

    def _looked_up(self, address: str) -> bool:
        parsed = ip_address(address)
        return any(parsed in network for network in self._networks)


@lru_cache(maxsize=_REMEMBERED)
def parse_address(text: str) -> str | None:
    """Read an address as proxies write it: with a port, in brackets, IPv4 inside IPv6."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)


def _hops(scope: Scope) -> list[str]:
    # Several headers are one list (RFC 9110, 5.3).
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    joined = b",".join(lines).decode("latin-1")
    return joined.rsplit(",", _MAX_HOPS)[-_MAX_HOPS:] if joined else []
