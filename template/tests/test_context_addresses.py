"""Which address a request is said to come from."""

from ipaddress import ip_network
from typing import Any

import pytest

from app.api.context.client_address import ClientAddresses

PROXIES = ("10.0.0.0/8", "fd00::/8")


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded]
    return {"client": (peer, 1234) if peer else None, "headers": [(b"host", b"x"), *headers]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        # Nobody in between, or nobody whom we trust.
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        # One proxy.
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        # What the client wrote itself stands left of its address.
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.9.9.9, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["rubbish, 198.51.100.1"], "198.51.100.1"),
        # Two proxies, also in two headers.
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1,10.0.0.2"], "198.51.100.1"),
        # All of them ours: the first.
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # Malformed where we would have to believe it.
        ("10.0.0.1", ["198.51.100.1, rubbish"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1,"], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["999.1.1.1"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1\xff"], "10.0.0.1"),
        # Ports, brackets, zones, IPv4 inside IPv6.
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:DB8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        # More hops than anybody has.
        ("10.0.0.1", ["6.6.6.6, " + "10.0.0.2, " * 40 + "10.0.0.3"], "10.0.0.2"),
        # A Unix socket, a name.
        (None, ["198.51.100.1"], None),
        ("testclient", [], None),
    ],
)
def test_the_first_untrusted_hop_from_the_right(
    peer: str | None, forwarded: list[str], expected: str | None
) -> None:
    addresses = ClientAddresses([ip_network(network) for network in PROXIES])
    assert addresses.address_of(scope(peer, *forwarded)) == expected


def test_without_trusted_proxies_the_header_means_nothing() -> None:
    assert ClientAddresses([]).address_of(scope("10.0.0.1", "198.51.100.1")) == "10.0.0.1"
