"""docs/change-auth-mode.md: its statements bring a database from every way to sign in to every other."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from conftest import Renderer
from render import ROOT

pytestmark = [pytest.mark.serial, pytest.mark.slow]

DOCUMENT = (ROOT / "docs" / "change-auth-mode.md").read_text()
# Each of the six changes once, on one database.
WAY = ["password", "both", "oidc", "both", "password", "oidc", "password"]

SERVE = """
import json, sys
from pathlib import Path
from app.dev.servers.base import running
from app.dev.servers.postgres import Postgres
postgres = Postgres(Path(sys.argv[1]), durable=False)
with running(postgres):
    print(json.dumps(dict(postgres.environment())), flush=True)
    sys.stdin.read()
"""
EXECUTE = """
import asyncio, os, sys
import asyncpg
async def execute():
    connection = await asyncpg.connect(os.environ["DATABASE__OWNER_URL"])
    await connection.execute(sys.argv[1])
    await connection.close()
asyncio.run(execute())
"""
REGISTER = """
INSERT INTO public.tenants (id, slug, name, status, schema_name, created_at, updated_at)
VALUES (gen_random_uuid(), 'acme', 'Acme', 'pending', 'tenant_acme', now(), now())
"""
NONE_WAITS = """
DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM public.tenants WHERE status = 'pending'); END $$
"""
SETTINGS = {
    "PYTHONPATH": "src",
    "ENVIRONMENT": "test",
    "PUBLIC_URL": "http://127.0.0.1",
    "REDIS__URL": "redis://127.0.0.1:1/0",
    "AUTH__KEYS": '{"a": "0123456789-0123456789-0123456789"}',
    "AUTH__ACTIVE_KID": "a",
    "MAIL__SMTP_URL": "smtp://127.0.0.1:1",
    "MAIL__SENDER": "a@example.test",
    "OIDC__ISSUER": "https://login.example.com",
    "OIDC__CLIENT_ID": "app",
}


@pytest.fixture
def database(render: Renderer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of an empty database."""
    tmp_path.chmod(0o755)  # the server may run as another user
    # Renders are shared and stay as they are: what is compiled goes elsewhere.
    environment = SETTINGS | {
        "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path / "postgres")],
        cwd=render(),
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        yield environment | json.loads(process.stdout.readline())


def test_a_database_is_brought_along(render: Renderer, database: dict[str, str]) -> None:
    def run(mode: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=render(auth_mode=mode),
            env=os.environ | database,
            capture_output=True,
            text=True,
            check=False,
        )

    run(WAY[0], "-m", "app", "migrate").check_returncode()
    for before, after in pairwise(WAY):
        if after == "oidc":
            run(before, "-c", EXECUTE, REGISTER).check_returncode()
        for statements in _statements(before, after):
            assert run(after, "-c", EXECUTE, statements).returncode == 0
        if after == "oidc":
            run(after, "-c", EXECUTE, NONE_WAITS).check_returncode()
        assert run(after, "-m", "app", "migrate").returncode == 0, (before, after)
        written = run(after, "-m", "app", "migration", "-m", "x", "--tree", "public")
        assert "there is nothing to write" in written.stderr, (before, after)


def _statements(before: str, after: str) -> list[str]:
    [numbers] = re.findall(rf"^\| `{before}` \| `{after}` \| ([\w, ]+) \|", DOCUMENT, re.MULTILINE)
    blocks = dict(
        re.findall(r"^```sql\n-- (\d): [^\n]*\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    )
    return [] if numbers == "none" else [blocks[number] for number in numbers.split(", ")]
