"""Which route makes the row that a field refers to: found by the foreign keys of the models, and by names."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from fastapi.routing import APIRoute
from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint

from app.models.trees import public_tree, tenant_tree

_REFERENCE: Final = re.compile(r"_ids?$")


def tables() -> Iterator[Table]:
    """Yield every table, a tenant's first."""
    for tree in (tenant_tree(), public_tree()):
        yield from tree.metadata.sorted_tables


def snake_case(name: str) -> str:
    """Return `customerId` and `Customer-ID` as `customer_id`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-\s]+", "_", name).lower()


class Reference(NamedTuple):
    """What a field refers to."""

    table: str
    column: str
    is_declared: bool
    """By a foreign key; otherwise its name says so."""


@cache
def unique_numbers() -> frozenset[str]:
    """Return the names of columns of numbers that are unique by themselves."""
    return frozenset(
        column.name
        for table in tables()
        for group in (*table.constraints, *table.indexes)
        if isinstance(group, UniqueConstraint) or (isinstance(group, Index) and group.unique)
        if len(group.columns) == 1
        for column in group.columns
        if isinstance(column.type, Integer) and not column.foreign_keys
    )


def referred_to(field: str, path: str = "") -> Reference | None:
    """Return what a field refers to; `path` is that of its route."""
    name = re.sub(_REFERENCE, "_id", snake_case(field))
    found = [(each, key.column) for each in _columns(name) for key in each.foreign_keys]
    if not name.endswith("_id"):
        # The number of an invoice is not that of an edition, which a key of another table refers to.
        found = [pair for pair in found if _names(pair[0].table.name, path)]
    # Two tables may have a `parent_id`.
    found.sort(key=lambda pair: not _names(pair[0].table.name, path))
    for _, column in found:
        return Reference(column.table.name, column.name, is_declared=True)
    if not name.endswith("_id"):
        return None
    words = name.removesuffix("_id").split("_")
    stems = ["_".join(words[n:]) for n in range(len(words))]
    named = (each.name for stem in stems for each in tables() if each.name in _plurals(stem))
    return next((Reference(table, "id", is_declared=False) for table in named), None)


def maker_of(table: str, routes: Mapping[str, APIRoute]) -> str | None:
    """Return the name of the route that makes a row of a table; `None` if there is none."""
    ends = {
        name: snake_case(route.path_format.rstrip("/").rpartition("/")[2])
        for name, route in routes.items()
        if route.methods == {"POST"}
    }
    same = [name for name, end in ends.items() if end == table or table in _plurals(end)]
    like = [n for n, end in ends.items() if table.endswith(f"_{end}") or end.endswith(f"_{table}")]
    # The shortest way: `/invoices` rather than `/customers/{customer_id}/invoices`.
    return min(same or like, key=lambda n: routes[n].path_format.count("/"), default=None)


def _columns(name: str) -> Iterator[Column[Any]]:
    return (each.columns[name] for each in tables() if name in each.columns)


def _names(table: str, path: str) -> bool:
    return table in {snake_case(part) for part in path.split("/")}


def _plurals(stem: str) -> set[str]:
    return {stem, f"{stem}s", f"{stem}es", f"{stem[:-1]}ies"}
