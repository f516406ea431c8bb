"""Render a service into a folder of its own under build/ and become its `app dev`.

Nobody is left to remove the folder when `app dev` ends, so the next demo does: it is stale as soon
as its lock, which `app dev` inherits and the kernel frees with it, can be taken.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path

from render import ROOT, parse_answers, render

BUILD = ROOT / "build"


def lock(path: Path, how: int = fcntl.LOCK_EX) -> int:
    """The descriptor of an exclusive lock, which ends when it is closed.

    Raises:
        BlockingIOError: `how` has LOCK_NB, and another process holds the lock.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def claim_folder() -> Path:
    """A new folder, locked by this process; those of ended demos are removed."""
    BUILD.mkdir(exist_ok=True)
    turn = lock(BUILD / "demo.lock")
    for folder in BUILD.glob("demo-*"):
        with contextlib.suppress(BlockingIOError):
            stale = lock(folder / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
            os.close(stale)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=BUILD))
    os.set_inheritable(lock(folder / "lock"), True)
    os.close(turn)
    return folder


def main(words: list[str]) -> None:
    # make's own pid: a demo whose make was killed while this ran must not start.
    parent = int(os.environ.get("DEMO_PARENT", os.getppid()))
    service = claim_folder() / "demo"
    try:
        render(service, parse_answers(words))
    except ValueError as refused:
        sys.exit(f"lobby-saas: {refused}")
    if os.getppid() != parent:
        sys.exit("lobby-saas: the command that started this has ended.")
    os.chdir(service)
    os.environ["PYTHONPATH"] = "src"
    os.execv(sys.executable, [sys.executable, "-m", "app", "dev"])


if __name__ == "__main__":
    main(sys.argv[1:])
