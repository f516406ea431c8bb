"""docs/change-*.md: their statements bring a database from every answer to every other."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from conftest import Renderer
from render import ROOT

pytestmark = [pytest.mark.serial, pytest.mark.slow]

AUTH_MODES = (ROOT / "docs" / "change-auth-mode.md").read_text()
ENGINES = (ROOT / "docs" / "change-background-engine.md").read_text()
# Each of the six changes once, on one database.
AUTH_MODES_WAY = ["password", "both", "oidc", "both", "password", "oidc", "password"]
ENGINES_WAY = ["temporal", "postgres", "inline", "temporal", "inline", "postgres", "temporal"]
# What carries out background work, where no server of its own is needed for it.
PROCESSES = {"postgres": ["worker"], "inline": ["api", "--port", "0"]}
PATIENCE_SECONDS = 120

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
    if sys.argv[1].startswith("SELECT"):
        print(await connection.fetchval(sys.argv[1]))
    else:
        await connection.execute(sys.argv[1])
    await connection.close()
asyncio.run(execute())
"""
OPEN_WORK = """
INSERT INTO public.workflow_executions (id, kind, status, created_at, started_at)
VALUES (gen_random_uuid(), 'clean_up', 'pending', now() - interval '1 hour', NULL),
    (gen_random_uuid(), 'clean_up', 'running', now() - interval '1 hour', now() - interval '1 hour')
"""
STILL_OPEN = (
    """SELECT count(*) FROM public.workflow_executions WHERE status IN ('pending', 'running')"""
)
REGISTER = """
INSERT INTO public.tenants (id, slug, name, status, schema_name, created_at, updated_at)
VALUES (gen_random_uuid(), 'acme', 'Acme', 'pending', 'tenant_acme', now(), now());
INSERT INTO public.workflow_executions (id, kind, status, payload, created_at)
VALUES (gen_random_uuid(), 'send_email', 'running', '{"mail": "verify_email"}', now())
"""
NONE_WAITS = """
DO $$ BEGIN
    ASSERT NOT EXISTS (SELECT FROM public.tenants WHERE status = 'pending');
    ASSERT NOT EXISTS (SELECT FROM public.workflow_executions WHERE finished_at IS NULL);
END $$
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


class Service:
    """One database, and the renders that it is brought along."""

    def __init__(self, render: Renderer, database: dict[str, str], question: str) -> None:
        self.render = render
        self.database = database
        self.question = question

    def run(self, answer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Let a render's Python run."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.render(**{self.question: answer}),
            env=os.environ | self.database,
            capture_output=True,
            text=True,
            check=False,
        )

    def execute(self, answer: str, statements: str) -> str:
        """Run statements as the DDL role; what a SELECT finds is returned."""
        done = self.run(answer, "-c", EXECUTE, statements)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def migrate(self, answer: str) -> None:
        """Bring the database to a render's newest migrations, and see that its models ask for no other."""
        migrated = self.run(answer, "-m", "app", "migrate")
        assert migrated.returncode == 0, migrated.stderr
        written = self.run(answer, "-m", "app", "migration", "-m", "x", "--tree", "public")
        assert "there is nothing to write" in written.stderr

    @contextmanager
    def running(self, answer: str, *command: str) -> Iterator[None]:
        """Let a process of a render run."""
        with subprocess.Popen(
            [sys.executable, "-m", "app", *command],
            cwd=self.render(**{self.question: answer}),
            env=os.environ | self.database,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield
            finally:
                process.terminate()


@pytest.mark.in_turn(0, of=2)
def test_a_database_follows_its_way_to_sign_in(render: Renderer, database: dict[str, str]) -> None:
    service = Service(render, database, "auth_mode")
    service.migrate(AUTH_MODES_WAY[0])
    for before, after in pairwise(AUTH_MODES_WAY):
        if after == "oidc":
            service.execute(before, REGISTER)
        for statements in _of_auth_modes(before, after):
            service.execute(after, statements)
        if after == "oidc":
            service.execute(after, NONE_WAITS)
        service.migrate(after)


def _of_auth_modes(before: str, after: str) -> list[str]:
    [numbers] = re.findall(
        rf"^\| `{before}` \| `{after}` \| ([\w, ]+) \|", AUTH_MODES, re.MULTILINE
    )
    blocks = _blocks(AUTH_MODES, r"-- (\d): [^\n]*")
    return [] if numbers == "none" else [blocks[number] for number in numbers.split(", ")]


@pytest.mark.in_turn(1, of=2)
def test_open_work_goes_on_with_another_engine(render: Renderer, database: dict[str, str]) -> None:
    service = Service(render, database, "background_engine")
    blocks, processes = _blocks(ENGINES, r"-- from (\w+)"), dict(PROCESSES)
    service.migrate(ENGINES_WAY[0])
    for before, after in pairwise(ENGINES_WAY):
        service.execute(before, OPEN_WORK)
        if before in blocks:
            service.execute(after, blocks[before])
        service.migrate(after)
        if after in processes:
            # Once for each: the queue looks for what nobody has put into it every minute.
            with service.running(after, *processes.pop(after)):
                _wait_until_done(service, after)


def _wait_until_done(service: Service, answer: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (still_open := service.execute(answer, STILL_OPEN)) != "0":
        assert time.monotonic() < deadline, f"{answer} leaves {still_open} executions open"
        time.sleep(1)


def _blocks(document: str, first_line: str) -> dict[str, str]:
    blocks = rf"^```sql\n{first_line}\n(.*?)^```"
    return dict(re.findall(blocks, document, re.MULTILINE | re.DOTALL))
