"""nginx with the limits of docs/gateway.md in front of the service."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from uvicorn.server import ServerState

from app.api.v1 import routers
from app.dev.servers.base import running
from tests.http_server import served
from tests.patience import PATIENCE_SECONDS
from tests.probe import Probe
from tests.programs import NGINX
from tests.reverse_proxy import TRUSTED, Nginx
from tests.sections import probe_settings

if NGINX is None:
    pytest.skip("nginx is missing", allow_module_level=True)

pytestmark = pytest.mark.slow

FROZEN: Final = "rate=1r/m;"
"""On a slow machine nothing may come free while a test counts."""

DOCUMENT: Final = Path(__file__).parents[1] / "docs/gateway.md"
ABOVE, INSIDE = re.findall(r"^```nginx\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
WHOSE: Final = f"set_real_ip_from {TRUSTED};\nreal_ip_header X-Test-Address;\n"


@asynccontextmanager
async def limited(folder: Path, free: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an nginx that limits nothing to the rate `free`, and gives nothing back of the others."""

    def rate(found: re.Match[str]) -> str:
        return "rate=1000r/s;" if found[0] == free else FROZEN

    above = re.sub(r"rate=\S+;", rate, ABOVE)
    async with served(Probe(probe_settings()).app, ServerState()) as port:
        nginx = Nginx(folder, port, above=above, inside=WHOSE + INSIDE)
        with running(nginx):
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{nginx.port}",
                headers={"Host": "testserver"},
                timeout=PATIENCE_SECONDS,
            ) as client:
                yield client


async def passed(client: httpx.AsyncClient, method: str, path: str, address: str) -> int:
    """Send until there is a refusal; return how many got through."""
    for count in range(50):
        answer = await client.request(method, path, headers={"X-Test-Address": address})
        if answer.status_code == 429:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["type"] == "/problems/rate-limited"
            assert int(answer.headers["Retry-After"]) > 0
            return count
    return -1


async def test_a_client_has_its_limit_and_an_ipv6_network_is_one(tmp_path: Path) -> None:
    async with limited(tmp_path) as client:
        assert await passed(client, "GET", "/whoami", "192.0.2.1") == 20
        assert await passed(client, "GET", "/whoami", "192.0.2.2") == 20
        # The second one has a line break among its bytes.
        for network in ("2001:db8:1:1", "2001:db8:0a0a:1"):
            assert await passed(client, "GET", "/whoami", f"{network}::1") == 20
            assert await passed(client, "GET", "/whoami", f"{network}:ffff::2") == 0


async def test_attempts_have_a_lower_one(tmp_path: Path) -> None:
    async with limited(tmp_path, "rate=10r/s;") as client:
        path = "/api/v1/invites/lookup"
        assert await passed(client, "POST", path, "192.0.2.1") == 20
        for same in ("/api/v1/invites/accept", "/api/v1/invites/l%6fokup", f"{path}?a=b"):
            assert await passed(client, "POST", same, "192.0.2.1") == 0
        assert await passed(client, "POST", path, "192.0.2.2") == 20
        assert await passed(client, "GET", "/whoami", "192.0.2.1") == -1
        if mails := re.search(r'\$mail \{\s+"~\^POST ([^(]+)\((\w+[^|]*)', ABOVE):
            assert await passed(client, "POST", "".join(mails.groups()), "192.0.2.1") == 3


def test_the_limited_paths_are_routes() -> None:
    paths = {
        f"{method} {getattr(route, 'path', '')}"
        for router in routers()
        for route in router.routes
        for method in getattr(route, "methods", ())
    }
    found = re.findall(r'"~\^(GET|POST) /api/v1([^("$]*)\(?([^)"$]*)', ABOVE)
    assert found
    for method, start, ends in found:
        for end in ends.split("|"):
            assert f"{method} {start}{end}" in paths
