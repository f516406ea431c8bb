"""Under which account a server runs that refuses root, as PostgreSQL does."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.dev.errors import ToolMissing


@dataclass(frozen=True)
class Account:
    """How a program that refuses root is started here."""

    prefix: tuple[str, ...] = ()
    """What its command line begins with."""
    switch: tuple[int, int] | None = None
    """User and group that the starting process becomes."""
    owner: tuple[int, int] | None = None
    """User and group that have to own its data; `None` for those of this process."""

    def give(self, folder: Path) -> None:
        """Make a folder and all in it this account's."""
        user, group = self.owner or (os.geteuid(), os.getegid())
        if folder.stat().st_uid != user:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, user, group, follow_symlinks=False)


@cache
def without_root(program: Path, folder: Path) -> Account:
    """The account to run a program under, with its data in a folder.

    Raises:
        ToolMissing: this is root, and no other account can run the program or enter the folder.
    """
    if os.geteuid() != 0:
        return Account()
    for account in _candidates():
        if _can_run(account, program, folder):
            return account
    raise ToolMissing(
        f"{program.name} refuses to run as root, and no other account can run {program} in {folder}."
        " Start this as an ordinary user, or from a folder that every user may enter."
    )


def _candidates() -> Iterable[Account]:
    # initdb looks its user up in the password file, so the number has to have an entry there.
    nobody = pwd.getpwnam("nobody")
    user, group = nobody.pw_uid % 2**32, nobody.pw_gid % 2**32
    if unshare := shutil.which("unshare"):
        # Root under another number: what only root may enter, such as a home, stays open to it.
        yield Account((unshare, "--user", f"--map-user={user}", f"--map-group={group}"))
    if setpriv := shutil.which("setpriv"):
        # Containers often forbid user namespaces, but let root keep this one capability.
        capability = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
        ids = (f"--reuid={user}", f"--regid={group}", "--clear-groups")
        yield Account((setpriv, *ids, *capability), owner=(user, group))
    yield Account(switch=(user, group), owner=(user, group))


def _can_run(account: Account, program: Path, folder: Path) -> bool:
    user, group = account.switch or (None, None)
    attempt = ("/bin/sh", "-c", 'cd "$1" && exec "$0" --version', str(program), str(folder))
    try:
        done = subprocess.run(
            [*account.prefix, *attempt],
            user=user,
            group=group,
            extra_groups=[] if account.switch else None,
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0
