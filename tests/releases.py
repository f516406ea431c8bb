"""The releases that projects may be updated from, read from docs/releases.toml."""

import tomllib

from conftest import git
from render import ROOT


def releases() -> dict[str, str]:
    """The commit of each release by its tag, oldest first."""
    listed = tomllib.loads((ROOT / "docs/releases.toml").read_text())["releases"]
    return {f"v{version}": commit for version, commit in listed.items()}


def show(commit: str, path: str) -> str:
    """A file as it was in `commit`."""
    return git(ROOT, "show", f"{commit}:{path}")
