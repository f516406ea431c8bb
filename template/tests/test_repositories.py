"""What every repository answers to rows and values that the database refuses."""

from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Column, Numeric, SmallInteger, select
from sqlalchemy.orm import defer, registry, selectinload
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlmodel import Field, Relationship, SQLModel, col

from app.core.db.failures import hint_of
from app.core.db.sessions import TenantSession
from app.core.db.unit_of_work import LazyLoad
from app.core.errors import AlreadyMember, InvalidRequest, NotFound, StillReferenced
from app.models.base import JsonObject
from app.repositories.base import ShownRows, TenantRepository
from tests.migrating import Migrating


class Base(SQLModel, registry=registry()):
    """Of no tree: no migration may find these."""


class Shelf(Base, table=True):
    __tablename__ = "tested_shelves"
    id: int = Field(primary_key=True)
    name: str = Field(default="", max_length=5)
    places: int = Field(default=0, sa_column=Column(SmallInteger))
    height: Decimal = Field(default=Decimal(0), sa_column=Column(Numeric(4, 2)))
    since: datetime | None = None
    labels: dict[str, Any] = Field(default_factory=dict, sa_type=JsonObject)
    books: list["Book"] = Relationship(
        back_populates="shelf",
        sa_relationship_kwargs={"lazy": "joined", "passive_deletes": "all"},
    )


class Book(Base, table=True):
    __tablename__ = "tested_books"
    id: int = Field(primary_key=True)
    shelf_id: int = Field(foreign_key="tested_shelves.id")
    shelf: Shelf = Relationship(
        back_populates="books", sa_relationship_kwargs={"lazy": "joined", "innerjoin": False}
    )


class Chapter(Base, table=True):
    __tablename__ = "tested_chapters"
    id: int = Field(primary_key=True)
    book_id: int = Field(foreign_key="tested_books.id")
    title: str = ""
    book: Book = Relationship()


class ChapterRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    book: Any


class BookRead(BaseModel):
    id: int
    shelf_id: int


class ShelfRepository(TenantRepository[Shelf]):
    model = Shelf


class NamedShelfRepository(TenantRepository[Shelf]):
    model = Shelf
    conflicts = {"tested_books_shelf_id_fkey": AlreadyMember}


TABLES = (
    "tested_shelves (id int PRIMARY KEY, name varchar(5), places smallint, height numeric(4, 2), since timestamptz, labels jsonb)",
    "tested_chapters (id int PRIMARY KEY, book_id int, title text)",
    "tested_books (id int PRIMARY KEY, shelf_id int REFERENCES tenant_acme.tested_shelves)",
)


@pytest.fixture
async def open_shelves(migrating: Migrating) -> Any:
    """What opens sessions of a tenant that has the tables."""
    for table in TABLES:
        await migrating.execute(f"CREATE TABLE tenant_acme.{table}")
    acme = await migrating.tenant("acme")
    return lambda: migrating.work.database.tenant(acme.id)


async def filled(session: TenantSession) -> Shelf:
    shelf = await ShelfRepository(session).add(Shelf(id=1))
    await TenantRepository[Book](session).add(Book(id=1, shelf_id=1))
    return shelf


@pytest.mark.parametrize(
    ("repository", "error"),
    [(ShelfRepository, StillReferenced), (NamedShelfRepository, AlreadyMember)],
)
async def test_a_row_that_others_refer_to_is_not_deleted(
    open_shelves: Any, repository: type[TenantRepository[Shelf]], error: type[Exception]
) -> None:
    with pytest.raises(error):
        async with open_shelves() as session:
            await repository(session).remove(await filled(session))


@pytest.mark.parametrize(
    "values",
    [
        {"id": 2**31},
        {"id": 2**63},
        {"id": 1, "places": 2**15},
        {"id": 1, "height": Decimal("123.45")},
        {"id": 1, "height": Decimal("1e400000")},
        {"id": 1, "name": "too long"},
        {"id": 1, "name": "\x00"},
        {"id": 1, "since": datetime(2026, 1, 1)},  # noqa: DTZ001  no zone is the point
    ],
)
async def test_a_value_that_does_not_fit_its_column_is_the_clients(
    open_shelves: Any, values: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        async with open_shelves() as session:
            await ShelfRepository(session).add(Shelf(**values))


async def test_a_wrong_type_is_the_codes_own(open_shelves: Any) -> None:
    values: dict[str, Any] = {"id": 1, "name": 7}
    with pytest.raises(Exception, match="expected str") as raised:
        async with open_shelves() as session:
            await ShelfRepository(session).add(Shelf(**values))
    assert not isinstance(raised.value, InvalidRequest)


async def test_json_that_is_changed_in_place_and_given_back_is_stored(open_shelves: Any) -> None:
    async with open_shelves() as session:
        await ShelfRepository(session).add(Shelf(id=1, labels={"of": ["a"]}))
    async with open_shelves() as session:
        shelf = await session.scalar(select(Shelf))
        shelf.labels["of"].append("b")
        await ShelfRepository(session).update(shelf, {"labels": shelf.labels})
    async with open_shelves() as session:
        assert (await session.scalar(select(Shelf))).labels == {"of": ["a", "b"]}


async def test_joined_relationships_are_read_with_their_rows(open_shelves: Any) -> None:
    async with open_shelves() as session:
        await filled(session)
        await TenantRepository[Book](session).add(Book(id=2, shelf_id=1))
    async with open_shelves() as session:
        shelf = await ShelfRepository(session).get(cast("UUID", 1))
        assert sorted(book.id for book in shelf.books) == [1, 2]
    async with open_shelves() as session:
        [shelf] = await session.scalars(select(Shelf))
        assert sorted(book.id for book in shelf.books) == [1, 2]
        assert await session.scalars(select(col(Book.shelf_id))) == [1, 1]


async def test_what_was_not_loaded_is_named(open_shelves: Any) -> None:
    async with open_shelves() as session:
        await filled(session)
        await TenantRepository[Chapter](session).add(Chapter(id=1, book_id=1))
    async with open_shelves() as session:
        chapter = await session.scalar(select(Chapter).options(defer(cast("Any", Chapter).title)))
        for name, said in (("book", r"Chapter\.book"), ("title", "A column of Chapter")):
            with pytest.raises(LazyLoad, match=f"{said} .*selectinload"):
                getattr(chapter, name)
        with pytest.raises(ValidationError, match=r"Chapter\.book .*selectinload") as raised:
            ChapterRead.model_validate(chapter)
        assert "selectinload" in str(hint_of(raised.value))
    with pytest.raises(DetachedInstanceError, match="'book'") as ended:
        str(chapter.book)
    assert "selectinload" in str(hint_of(ended.value))
    async with open_shelves() as session:
        loaded = select(Chapter).options(selectinload(cast("Any", Chapter).book))
        chapter = await session.scalar(loaded)
    assert chapter.book.id == 1


async def test_a_row_is_shown_within_its_parent_alone(open_shelves: Any) -> None:
    async with open_shelves() as session:
        await filled(session)
        books, id = ShownRows(session, Book, BookRead), cast("UUID", 1)
        assert await books.read(id, shelf_id=1) == BookRead(id=1, shelf_id=1)
        with pytest.raises(NotFound):
            await books.read(id, shelf_id=2)
