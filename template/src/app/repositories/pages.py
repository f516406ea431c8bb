"""Lists that come in pages: the newest rows first, and no more of them than a page may carry."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.orm import Mapped

from app.core.db.query import Query
from app.core.db.sessions import Session
from app.schemas.base import PAGE_BYTES, Page, PageRequest, Position, fitting

_BYTES: Final[ColumnElement[int]] = literal_column("octet_length(page::text)")
_AT: Final = bindparam("at", type_=DateTime(timezone=True))
_ID: Final = bindparam("id", type_=Uuid)

type Key = Mapped[Any] | ColumnElement[Any]


class Pages[T]:
    """A list's statement, and what each of its rows becomes.

    Write it at module level. `at` and `id` are columns of the statement, under the names that it gives them; an index
    on both serves it. `filters` are conditions that a request may leave out, each by the name of its parameter.

    PostgreSQL adds up the bytes of the rows and sends no more than fit: large rows are not read to be thrown away.
    """

    def __init__(
        self,
        statement: Select[*tuple[Any, ...]],
        row: type[T],
        *,
        at: Key,
        id: Key,
        ids_in_order: bool = False,
        filters: Mapping[str, ColumnElement[bool]] | None = None,
    ) -> None:
        """`ids_in_order`: ids are UUIDs of version 7 and in the order of `at`, so that the primary key serves."""
        self._statement = statement
        self._row = row
        self._keys = (id,) if ids_in_order else (at, id)
        self._names = (_name(at), _name(id))
        self._filters = filters or {}
        self._queries: dict[frozenset[str], Query[T]] = {}

    async def read(self, session: Session, request: PageRequest, **values: Any) -> Page[T]:
        """Return a page; a filter that is `None` is left out."""
        left_out = {name for name in self._filters if values.get(name) is None}
        values = {name: value for name, value in values.items() if name not in left_out}
        position = request.values()
        if len(self._keys) == 1:
            del position["at"]
        query = self._query(frozenset(self._filters.keys() - left_out))
        arguments = query.arguments({**values, **position})
        records = await session.unit.fetch(session.side, query.sql, arguments)
        items = fitting(query.read(records), request.limit)
        if not items or records[0]["rows_found"] == len(items):
            return Page(items=items, next_cursor=None)
        at, id = (records[len(items) - 1][name] for name in self._names)
        return Page(items=items, next_cursor=Position(at, id).encode())

    def _query(self, filters: frozenset[str]) -> Query[T]:
        # Each set of filters is a statement that PostgreSQL plans for itself.
        if filters not in self._queries:
            self._queries[filters] = Query(self._bounded(filters), self._row)
        return self._queries[filters]

    def _bounded(self, filters: frozenset[str]) -> Select[*tuple[Any, ...]]:
        keys = (_ID,) if len(self._keys) == 1 else (_AT, _ID)
        page = (
            self._statement.where(
                tuple_(*self._keys) < tuple_(*keys),
                *(self._filters[name] for name in sorted(filters)),
            )
            .order_by(*(key.desc() for key in self._keys))
            .limit(bindparam("n"))
            .subquery("page")
        )
        order = [page.c[_name(key)].desc() for key in self._keys]
        before = func.sum(_BYTES).over(order_by=order, rows=(None, -1))
        sized = select(
            page,
            func.count().over().label("rows_found"),
            func.coalesce(before, 0).label("bytes_before"),
        ).subquery("sized")
        rows = [column for column in sized.c if column.key != "bytes_before"]
        newest = [sized.c[_name(key)].desc() for key in self._keys]
        return select(*rows).where(sized.c.bytes_before <= PAGE_BYTES).order_by(*newest)


def _name(column: Any) -> str:
    name: str = column.key
    return name
