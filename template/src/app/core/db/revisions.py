"""The migrations that this code brings, read without running them: the API imports no Alembic."""

import ast
from functools import cache
from pathlib import Path
from typing import Any, Final

SCRIPTS: Final = Path(__file__).parents[3] / "alembic"


def tenant_heads() -> tuple[str, ...]:
    """Return the newest migration of each branch of the tenant tree; none where its files are not installed."""
    return _heads_in(SCRIPTS / "tenant")


@cache
def _heads_in(tree: Path) -> tuple[str, ...]:
    followed: set[str] = set()
    found: set[str] = set()
    for path in sorted(tree.glob("*/*.py")):
        names = _assigned(path)
        before = names.get("down_revision") or ()
        found.add(names.get("revision", ""))
        followed.update([before] if isinstance(before, str) else before)
    return tuple(sorted(found - followed - {""}))


def _assigned(path: Path) -> dict[str, Any]:
    values = {}
    for node in ast.parse(path.read_text()).body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ) if name in {"revision", "down_revision"}:
                values[name] = ast.literal_eval(value)
    return values
