"""How PostgreSQL finds the rows that the service asks for."""

from collections.abc import Awaitable
from typing import Any

from sqlalchemy import event

from app.services.background_work import BackgroundWork

OPEN_EXECUTIONS = "ix_workflow_executions_open"

# No test has the rows that make an index worth its while.
WITHOUT_ALTERNATIVE = ("SET enable_seqscan = off", "SET enable_indexscan = off")


async def plans_of(work: BackgroundWork, call: Awaitable[object]) -> list[str]:
    """Return the plans of the queries that a call sends over the application's connections."""
    queries: list[tuple[str, Any]] = []

    def remember(*sent: Any) -> None:
        _connection, _cursor, statement, parameters, *_ = sent
        if statement.startswith("SELECT"):
            queries.append((statement, parameters))

    event.listen(work.database.engine.sync_engine, "before_cursor_execute", remember)
    await call
    event.remove(work.database.engine.sync_engine, "before_cursor_execute", remember)

    async with work.owner.ddl_engine.connect() as connection:
        for change in WITHOUT_ALTERNATIVE:
            await connection.exec_driver_sql(change)
        return [
            "\n".join((await connection.exec_driver_sql(f"EXPLAIN {query}", parameters)).scalars())
            for query, parameters in queries
        ]
