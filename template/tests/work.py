"""What the application does for a request: statements counted at the driver, Argon2 calls at the library."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event

from app.core.db.database import Database


@dataclass(slots=True)
class Work:
    """What was done."""

    statements: list[str] = field(default_factory=list)
    """Every statement, those that begin and end transactions too."""
    connections_while_hashing: list[int] = field(default_factory=list)
    """For each Argon2 call, how many pooled connections were taken meanwhile."""


@asynccontextmanager
async def recorded(database: Database) -> AsyncIterator[Work]:
    """Watch the application; nothing is replaced."""
    work = Work()
    with _statements(database, work), _hashing(database, work):
        yield work
        # The driver reports a statement in the loop's next round.
        await asyncio.sleep(0)


@contextmanager
def _statements(database: Database, work: Work) -> Iterator[None]:
    # The driver reports what it is sent as text, SQLAlchemy what it has prepared.
    heard: set[Any] = set()

    def hear(query: Any) -> None:
        work.statements.append(query.query)

    def execute(_c: Any, _cursor: Any, statement: str, _p: Any, _context: Any, _m: Any) -> None:
        work.statements.append(statement)

    def listen(connection: Any, _record: Any, _proxy: Any) -> None:
        driver = connection.driver_connection
        if driver not in heard:
            heard.add(driver)
            driver.add_query_logger(hear)

    engine = database.engine.sync_engine
    event.listen(engine, "checkout", listen)
    event.listen(engine, "before_cursor_execute", execute)
    try:
        yield
    finally:
        event.remove(engine, "checkout", listen)
        event.remove(engine, "before_cursor_execute", execute)
        for driver in heard:
            driver.remove_query_logger(hear)


@contextmanager
def _hashing(database: Database, work: Work) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("hash", "verify"):
            original = getattr(PasswordHasher, name)

            def watched(*arguments: Any, original: Any = original, **options: Any) -> Any:
                work.connections_while_hashing.append(database.pool.checkedout())
                return original(*arguments, **options)

            patch.setattr(PasswordHasher, name, watched)
        yield
