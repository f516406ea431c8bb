"""Where the service is below its host: the path of `PUBLIC_URL`, as ASGI's `root_path`."""

from typing import Final
from urllib.parse import urlsplit

from starlette.types import Scope

from app.core.errors import NotFound
from app.core.settings import Settings

PROBES: Final = ("/health/", "/metrics")
"""How the paths of probes begin, which reach a process by its address and past the proxy."""


class PublicPath:
    """Completes what a request says of its path.

    ASGI wants the whole path, and `root_path` beside it. Whether a proxy has taken that off, the settings say: a
    service that guessed would be below `/svc/svc` as well, where no rule of the proxy is.
    """

    def __init__(self, settings: Settings) -> None:
        self._root = urlsplit(settings.public_url).path
        self._is_stripped = settings.http.proxy_strips_path

    def complete(self, scope: Scope) -> None:
        """Set `root_path`.

        Raises:
            NotFound: the path is not below it.
        """
        if not self._root:
            return
        path = scope["path"]
        is_whole = not self._is_stripped and path.startswith(f"{self._root}/")
        if self._is_stripped or (path.startswith(PROBES) and not is_whole):
            scope["path"] = self._root + path
            scope["raw_path"] = self._root.encode() + scope.get("raw_path", path.encode())
        elif path == self._root:
            scope["path"] = f"{path}/"
        elif not is_whole:
            raise NotFound(
                f"Paths begin with {self._root}, as PUBLIC_URL says."
                " If a proxy takes that off, set HTTP__PROXY_STRIPS_PATH."
            )
        scope["root_path"] = self._root


def route_path_of(scope: Scope) -> str:
    """Return the path as routes know it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
