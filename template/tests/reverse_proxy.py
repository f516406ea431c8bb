"""nginx in front of the service, where this machine has it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.dev import network
from app.dev.errors import ToolMissing
from app.dev.processes import Command
from app.dev.servers.base import Server
from tests.patience import PATIENCE_SECONDS
from tests.programs import NGINX

DOCUMENT: Final = Path(__file__).parents[1] / "docs/deployment.md"

TRUSTED: Final = f"{network.LOOPBACK}/32"
"""Where it is, for `HTTP__TRUSTED_PROXIES`."""

# In place of what is documented: on a busy machine, clients and the service may be later.
_TIMES: Final = dict.fromkeys(
    ("client_header_timeout", "client_body_timeout", "proxy_connect_timeout"),
    f"{PATIENCE_SECONDS:.0f}s",
)

_MAIN: Final = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{documented}}}
"""


def documented() -> str:
    """Return the settings as docs/deployment.md gives them."""
    [block] = re.findall(r"^```nginx\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return str(block)


def value_of(directive: str) -> str:
    """Return what the document says for a directive."""
    [value] = re.findall(rf"^ *{directive} (.*);$", documented(), re.MULTILINE)
    return str(value)


class Nginx(Server):
    """Runs with the documented settings, but for its addresses, TLS and times."""

    name = "nginx"

    def __init__(
        self,
        folder: Path,
        *upstream_ports: int,
        times: Mapping[str, str] | None = None,
        path: str = "",
        strips: bool = False,
        above: str = "",
        inside: str = "",
    ) -> None:
        super().__init__(folder)
        self._above, self._inside = above, inside
        self._path, self._strips = path, strips
        self._times = _TIMES | dict(times or {})
        self._upstream_ports = upstream_ports
        self._configuration = self.folder / "nginx.conf"

    def command(self) -> Command:
        """`nginx`.

        Raises:
            ToolMissing: this machine does not have it.
        """
        if NGINX is None:
            raise ToolMissing("nginx is missing: install the system's package of that name.")
        self._configuration.write_text(
            _MAIN.format(folder=self.folder, documented=self._adapted(documented()))
        )
        return Command([NGINX, "-p", str(self.folder), "-c", str(self._configuration)], {})

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        return network.accepts(self.port)

    def environment(self) -> Mapping[str, str]:
        """`HTTP__TRUSTED_PROXIES`."""
        return {"HTTP__TRUSTED_PROXIES": json.dumps([TRUSTED])}

    def _adapted(self, block: str) -> str:
        servers = [rf"    server {network.LOOPBACK}:{port}\1;\n" for port in self._upstream_ports]
        block = _changed(r"(?:^    server api-\d:8000(.*);\n)+", "".join(servers), block)
        block = _changed(r"^    ssl_certificate.*\n", "", block)
        block = _changed(r"listen 443 ssl;", f"listen {network.LOOPBACK}:{self.port};", block)
        block = block.replace("location / {", f"location {self._path}/ {{")
        block = block.replace("location = /metrics {", f"location = {self._path}/metrics {{")
        if self._strips:
            block = _changed(r"proxy_pass http://app;", "proxy_pass http://app/;", block)
        block = self._above + _changed(r"^server {\n", f"server {{\n{self._inside}", block)
        for directive, time in self._times.items():
            block = _changed(rf"^( *{directive}) \S+;", rf"\1 {time};", block)
        return block


def _changed(pattern: str, replacement: str, text: str) -> str:
    changed, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
    assert count, f"{DOCUMENT.name} has nothing like {pattern}"
    return changed
