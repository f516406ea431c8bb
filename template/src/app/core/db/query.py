"""Statements that are built once, at import, and run at the speed of the driver (ADR 0004)."""

from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql import ClauseElement

_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


class Query[T]:
    """A statement and what each of its rows becomes.

    Write it at module level, with `bindparam()` where a value goes, and run it with `session.rows(query, **values)`
    or `session.row(query, **values)`. The rows are validated by Pydantic. Column types that convert in Python
    (`TypeDecorator`) and `in_()` need the ORM or `= any(:ids)` instead.
    """

    def __init__(self, statement: Executable, row: type[T]) -> None:
        if not isinstance(statement, ClauseElement):
            raise TypeError("a Query is made of a SQLAlchemy statement")
        compiled = statement.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self._names: tuple[str, ...] = tuple(getattr(compiled, "positiontup", None) or ())
        self._constants: dict[str, Any] = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        self._adapter = TypeAdapter(list[row])  # type: ignore[valid-type]  # a runtime type argument

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """Return the statement's arguments in order.

        Raises:
            TypeError: a value is missing or superfluous.
        """
        unknown = values.keys() - set(self._names)
        if unknown:
            raise TypeError(f"the query has no parameter {', '.join(sorted(unknown))}")
        merged = {**self._constants, **values}
        try:
            return [merged[name] for name in self._names]
        except KeyError as exc:
            raise TypeError(f"the query needs {exc.args[0]}") from None

    def read(self, records: list[Any]) -> list[T]:
        """Turn what the driver returned into rows."""
        return self._adapter.validate_python([dict(record) for record in records])
