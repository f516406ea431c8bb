"""Whether the processes that started this one are still there."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

MAKE = {"make", "gmake", "gnumake"}


class Link(NamedTuple):
    child: int
    parent: int


class Ancestors:
    """The chain from this process up to its parent, or up to the outermost `make` above it.

    Below `make` stand a shell and `uv`, which survive when `make` is killed: the parent alone would not
    tell. Above `make`, or above the parent, a shell may end without meaning this process. Under `nohup`
    the parent may, too.
    """

    def __init__(self) -> None:
        self._links = _chain()
        self._look_again_at = 0.0

    def are_gone(self) -> bool:
        """Whether one of them has ended; a parent at once, a more distant one after up to a second."""
        links = self._links[:1]
        if time.monotonic() >= self._look_again_at:
            # Each costs a process where there is no /proc.
            links = self._links
            self._look_again_at = time.monotonic() + 1
        return any(_parent(link.child) != link.parent for link in links)


def _chain() -> list[Link]:
    links: list[Link] = []
    relevant = 0 if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else 1
    child = os.getpid()
    while child > 1 and (parent := _parent(child)):
        links.append(Link(child, parent))
        if _name(parent) in MAKE:
            relevant = len(links)
        child = parent
    return links[:relevant]


def _parent(pid: int) -> int | None:
    if pid == os.getpid():
        return os.getppid()
    stat = _stat(pid)
    if stat is not None:
        # The name in parentheses may hold spaces and parentheses itself.
        return int(stat.rpartition(")")[2].split()[1])
    return int(_ps(pid, "ppid") or 0) or None


def _name(pid: int) -> str:
    stat = _stat(pid)
    if stat is not None:
        return stat.partition("(")[2].rpartition(")")[0]
    return Path(_ps(pid, "comm")).name


def _stat(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None


def _ps(pid: int, column: str) -> str:
    try:
        done = subprocess.run(
            ["ps", "-o", f"{column}=", "-p", str(pid)],  # noqa: S607  macOS; PATH decides
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()
