"""What processes use, read from Linux's /proc (proc(5))."""

import re
from pathlib import Path

_PROC = Path("/proc")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and all that it has started have used, of those that live."""
    return sum(_own_cpu_seconds(number) for number in family(pid))


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            parents.setdefault(_parent(entry), []).append(int(entry.name))
    found = [pid]
    for number in found:
        found += parents.get(number, [])
    return found


def resident_mb(pid: int) -> float:
    """Return a process's resident memory in megabytes (10^6 bytes)."""
    return _status_kib(pid, "VmRSS") * 1024 / 1e6


def private_mb(pid: int) -> float:
    """Return the part of it that is shared with nobody and with no file."""
    return _status_kib(pid, "RssAnon") * 1024 / 1e6


def _own_cpu_seconds(pid: int) -> float:
    total = 0
    for task in _PROC.glob(f"{pid}/task/*/schedstat"):
        try:
            # Nanoseconds; /proc/PID/stat counts in hundredths of a second.
            total += int(task.read_text().split()[0])
        except OSError:
            continue
    return total / 1e9


def _parent(entry: Path) -> int:
    try:
        # The name, in parentheses, may hold anything.
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _status_kib(pid: int, name: str) -> int:
    found = re.search(
        rf"^{name}:\s+(\d+) kB", (_PROC / str(pid) / "status").read_text(), re.MULTILINE
    )
    return int(found[1]) if found else 0
