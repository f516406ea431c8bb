"""The commands, run in this process with an environment of their own."""

import asyncio
import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.cli.main import main
from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.core.logging import configure_logging
from app.core.settings import Settings
from app.models.public.users import User
from tests.sign_in import mode as sign_in


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


class Shell:
    """Runs commands in this process, with an environment of their own."""

    def __init__(self, settings: Settings, environment: dict[str, str], folder: Path) -> None:
        self.settings = settings
        self.environment = environment
        self.folder = folder

    def run(self, *arguments: str, stdin: str = "", **changes: str | None) -> Outcome:
        """Run a command; `None` takes a variable away."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["app", *arguments])
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            for name, value in {**self.environment, **changes}.items():
                if value is None:
                    patch.delenv(name, raising=False)
                else:
                    patch.setenv(name, value)
            try:
                main()
                code = 0
            except SystemExit as exc:
                code = exc.code if isinstance(exc.code, int) else 1
        # A command configures the log for its own output.
        configure_logging(self.settings.logging)
        return Outcome(code, out.getvalue(), err.getvalue())

    def add_user(self, email: str, *, verified: bool = True) -> None:
        """Add a user."""
        proven = {"email_verified_at": utcnow() if verified else None}

        async def add() -> None:
            async with Database(self.settings.database) as database, database.lobby() as lobby:
                columns = {**proven, **sign_in.USER_COLUMNS}
                await lobby.add(User(email=email, full_name="Founder", **columns))

        asyncio.run(add())


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Return what the owner reads with `sql`."""

    async def fetch() -> list[tuple[Any, ...]]:
        owner_url = settings.database.owner_url
        assert owner_url is not None
        connection = await asyncpg.connect(owner_url.get_secret_value())
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(fetch())
