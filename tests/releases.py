"""The releases that projects may be updated from, read from docs/releases.toml."""

import tomllib
from subprocess import CalledProcessError

from conftest import git
from render import ROOT


def releases() -> dict[str, str]:
    """The commit of each release by its tag, oldest first."""
    listed = tomllib.loads((ROOT / "docs/releases.toml").read_text())["releases"]
    return {f"v{version}": commit for version, commit in listed.items()}


def show(commit: str, path: str) -> str:
    """A file as it was in `commit`.

    Raises:
        RuntimeError: the clone has no such commit.
    """
    try:
        return git(ROOT, "show", f"{commit}:{path}")
    except CalledProcessError as exc:
        message = "this clone lacks a release's commit; if it is shallow: git fetch --unshallow"
        raise RuntimeError(message) from exc
