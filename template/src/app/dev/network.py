"""Ports of this machine and the question whether something answers on them."""

import errno
import socket
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from app.dev.errors import PortUnavailable

LOOPBACK: Final = "127.0.0.1"
ANY_HOST: Final = {"0.0.0.0", "::", ""}  # noqa: S104  recognised, not listened on

# A proxy of the environment cannot reach this machine's loopback.
_direct = build_opener(ProxyHandler({}))


def reserve_port() -> int:
    """A loopback port that the system hands to nobody else for about a minute.

    The closed connection stays in TIME_WAIT: `bind(0)` then skips the port, while a server that sets
    SO_REUSEADDR, as all of ours do, can still bind it.
    """
    with (
        socket.create_server((LOOPBACK, 0)) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        accepted, _ = listener.accept()
        accepted.close()
        port: int = listener.getsockname()[1]
        return port


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether something takes TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def local_url(host: str, port: int) -> str:
    """The URL under which this machine reaches what listens on `host`."""
    name = LOOPBACK if host in ANY_HOST else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def answers(url: str) -> bool:
    """Whether a GET is answered with a success."""
    try:
        with _direct.open(url, timeout=2):
            return True
    except HTTPError as exc:
        exc.close()
        return False
    except (OSError, HTTPException):
        return False


def require_free(host: str, port: int) -> None:
    """Return when a server could listen there now.

    Raises:
        PortUnavailable: it could not.
    """
    try:
        socket.create_server((host, port), family=_family(host)).close()
        # macOS lets a listener on 127.0.0.1 shadow one on every interface.
        if not accepts(port, LOOPBACK if host in ANY_HOST else host):
            return
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise PortUnavailable(f"Cannot listen on {host}:{port}: {exc.strerror}.") from None
    except OverflowError:
        raise PortUnavailable(f"{port} is not a port; ports go from 1 to 65535.") from None
    raise PortUnavailable(
        f"Port {port} of {host} is in use: stop what listens there, or choose another port"
        f" (`app dev` takes PORT={port + 1})."
    )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
