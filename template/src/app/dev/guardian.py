"""Ends process groups when the supervisor is gone, however it went.

Runs as a program of its own in a session of its own, on the standard library alone. It reads a pipe:
`+ <group> <signal>`, from each group as it starts, and `- <group>`, from the supervisor, when it has
ended. The end of the pipe is the supervisor's death.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 2.0


def watch(lines: Iterable[str]) -> dict[int, int]:
    """The groups that were still running when `lines` ended, each with its stop signal."""
    groups: dict[int, int] = {}
    for line in lines:
        match line.split():
            case ["+", group, stop_signal]:
                groups[int(group)] = int(stop_signal)
            case ["-", group]:
                groups.pop(int(group), None)
    return groups


def end(groups: dict[int, int], grace_seconds: float = GRACE_SECONDS) -> None:
    """Ask each group to stop, then kill what is left of it after the grace."""
    alive = [group for group, stop_signal in groups.items() if _signalled(group, stop_signal)]
    deadline = time.monotonic() + grace_seconds
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = [group for group in alive if _signalled(group, 0)]
    for group in alive:
        _signalled(group, signal.SIGKILL)


def _signalled(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group of which only a zombie is left.
        return False
    return True


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    end(watch(sys.stdin))
