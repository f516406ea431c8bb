"""Which module may import which."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[1]

CHECK_LAYERS: Final = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(no_cache=True))
"""

# As a script of a team's does: a model whose foreign key leads to one that it never names.
SORT_TABLES: Final = """
from app.models.public.user_tenant_membership import UserTenantMembership
assert "public.tenants" in [table.fullname for table in UserTenantMembership.metadata.sorted_tables]
"""


@pytest.mark.parametrize("script", [CHECK_LAYERS, SORT_TABLES], ids=["layers", "models"])
def test_modules_are_imported_downwards_alone_and_models_together(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
