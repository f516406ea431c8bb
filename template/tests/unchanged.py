"""What a run must not touch: the service's own files."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

_FOLDERS: Final = ("src", "tests", "docs")

type Snapshot = Mapping[str, bytes]


def snapshot(root: Path = ROOT) -> Snapshot:
    """Return a digest of each file, by its path below `root`; none of what is compiled or hidden."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).digest()
        for path in _files(root)
    }


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Return a line for each file that is new, gone or another one."""
    words = {(False, True): "new", (True, False): "gone", (True, True): "changed"}
    return [
        f"{words[path in before, path in after]}: {path}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def _files(root: Path) -> Iterator[Path]:
    folders = (root / name for name in _FOLDERS)
    for path in (*root.iterdir(), *(path for folder in folders for path in folder.rglob("*"))):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in parts):
            yield path
