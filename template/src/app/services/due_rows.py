"""Deletes rows in batches that are transactions of their own."""

from typing import Any, Final

from sqlalchemy import ColumnElement, delete, select

from app.core.db.database import Database

BATCH: Final = 500
"""Rows that one transaction changes, so that it holds its locks for a moment only."""


async def delete_due(database: Database, key: Any, condition: ColumnElement[bool]) -> None:
    """Delete the rows that fulfil `condition`; `key` is their table's primary key."""
    due = select(key).where(condition).limit(BATCH).with_for_update(skip_locked=True)
    removed = BATCH
    while removed == BATCH:
        async with database.lobby() as session:
            result = await session.execute(delete(key.class_).where(key.in_(due)).returning(key))
            removed = len(result.all())
