"""What `app dev` keeps between two runs: the servers' data and generated secrets."""

import fcntl
import json
import os
import secrets
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from app.dev.errors import DataFolderInUse, DataFolderUnusable

# A killed predecessor's guardian needs this long to stop what is left (guardian.GRACE_SECONDS).
RELEASED_WITHIN_SECONDS = 4.0


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.rename(path)


@dataclass
class Secrets:
    """Generated once for each data folder."""

    auth_kid: str = "dev"
    auth_key: str = field(default_factory=lambda: secrets.token_urlsafe(48))


class DataFolder:
    """A folder that one `app dev` at a time works in."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._environment = self.path / "env"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Nobody else works in the folder inside the `with`.

        A guardian that inherits the claim keeps it until it has ended.

        Raises:
            DataFolderInUse: another `app dev` has it.
            DataFolderUnusable: this user cannot write to it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / ".gitignore").write_text("*\n")
            descriptor = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as exc:
            raise DataFolderUnusable(f"Cannot write to {self.path}: {exc.strerror}.") from None
        deadline = time.monotonic() + RELEASED_WITHIN_SECONDS
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise DataFolderInUse(self._in_use(os.pread(descriptor, 20, 0).decode()))
            time.sleep(0.1)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        os.set_inheritable(descriptor, True)
        self._environment.unlink(missing_ok=True)
        try:
            yield
        finally:
            self._environment.unlink(missing_ok=True)
            os.close(descriptor)

    def secrets(self) -> Secrets:
        """The folder's secrets."""
        file = self.path / "secrets.json"
        try:
            stored = json.loads(file.read_text()) if file.exists() else asdict(Secrets())
            known = Secrets(**{item.name: stored[item.name] for item in fields(Secrets)})
        except (ValueError, TypeError, KeyError):
            raise DataFolderUnusable(f"{file} is damaged: remove it to get new secrets.") from None
        write_private(file, json.dumps(asdict(known)))
        return known

    def write_environment(self, values: Mapping[str, str]) -> None:
        """Keep the settings in `env` for commands in another terminal, while the folder is claimed."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items())]
        write_private(self._environment, "".join(lines))

    def _in_use(self, pid: str) -> str:
        return (
            f"{self.path} is in use by another `app dev` (process {pid or 'unknown'})."
            " Stop that one, or work in a copy of the project."
        )


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
