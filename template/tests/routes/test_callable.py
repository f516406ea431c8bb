"""Each route answers what is made up for it. If it does not, one failure says what to add, and its other tests are skipped."""

import hashlib
import hmac
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Literal
from uuid import UUID

import pytest
from fastapi import Cookie, Form, Header, Query, Request, UploadFile
from fastapi.routing import APIRoute
from pydantic import AnyUrl, BaseModel, EmailStr, Field, field_validator

from app.api.dependencies.admission import CurrentUser
from app.api.routing import APIRouter
from app.api.v1 import routers
from app.core.errors import Unauthenticated
from app.core.settings import Settings
from tests.routes.access import PUBLIC, USER
from tests.routes.bodies import body_of
from tests.routes.declarations import Fault, fault_of
from tests.routes.requests import ALL, ROUTES, Asked, world_of
from tests.routes.tables import table


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_can_be_called(faults: dict[str, Fault], name: str) -> None:
    fault = faults.get(name)
    if fault is None:
        return
    if fault.cause != name and fault.cause in faults:
        pytest.skip(f"{fault.cause} makes a row for it, and its own test says what it needs.")
    pytest.fail(fault.text, pytrace=False)


def test_no_two_routes_have_one_name() -> None:
    names = [r.name for each in routers() for r in each.routes if isinstance(r, APIRoute)]
    twice = {name for name in names if names.count(name) > 1}
    hint = "Only one of them is tested, and OpenAPI has one operation for both: rename a function."
    assert not twice, f"{twice}: {hint}"


class State(StrEnum):
    OPEN = "open"


class Line(BaseModel):
    sku: str = Field(pattern=r"^[A-Z]{3}-\d{4}$")
    count: int = Field(gt=0, lt=10, multiple_of=3)
    share: float = Field(gt=0.5, lt=0.75)
    within: list["Line"] = []


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: str = Field(pattern="^[0-9]{16}$")


class Transfer(BaseModel):
    kind: Literal["transfer"] = "transfer"
    reference: str


class Order(BaseModel):
    id: UUID
    email: EmailStr
    homepage: AnyUrl
    address: IPv4Address
    due_on: date
    paid_at: datetime
    amount: Decimal = Field(max_digits=10, decimal_places=2, gt=0)
    state: State
    handle: str = Field(min_length=30, max_length=32)
    short: str = Field(max_length=3)
    slug: str = Field(pattern="^[a-z]+(-[a-z]+)*$", max_length=20)
    lines: list[Line] = Field(min_length=2, max_length=2)
    tags: set[str] = Field(min_length=2)
    pair: tuple[int, str]
    means: Annotated[Card | Transfer, Field(discriminator="kind")]
    notes: dict[str, int] = Field(min_length=1)
    iban: str = Field(examples=["DE89370400440532013000"])

    @field_validator("iban")
    @classmethod
    def _check(cls, value: str) -> str:
        if not value.startswith("DE"):
            raise ValueError("is no IBAN")
        return value


router = APIRouter(prefix="/awkward")


@router.post("/orders")
async def make_orders(
    _user: CurrentUser,
    body: Annotated[list[Order], Field(min_length=2)],
    since: date,
    kind: Annotated[Literal["sum"], Query()],
    shop: Annotated[str, Header(alias="X-Shop", pattern="^[A-Z]{2}$")],
    basket: Annotated[UUID, Cookie()],
) -> int:
    return len({order.lines[0].sku for order in body})


@router.post("/files")
async def attach(
    _user: CurrentUser, files: list[UploadFile], title: Annotated[str, Form(min_length=20)]
) -> int:
    return len(await files[0].read())


@router.post("/forms")
async def fill_in(_user: CurrentUser, body: Annotated[Line, Form()]) -> int:
    return body.count


class Account(BaseModel):
    code: str

    @field_validator("code")
    @classmethod
    def _check(cls, value: str) -> str:
        if value != "DE-7":
            raise ValueError("is no code")
        return value


@router.post("/hook")
async def hook(request: Request, body: Account, signature: Annotated[str, Header()]) -> int:
    if signature != signed(await request.body())["signature"]:
        raise Unauthenticated
    return 7


def signed(body: bytes) -> dict[str, str]:
    return {"signature": hmac.new(b"key", body, hashlib.sha256).hexdigest()}


async def test_awkward_routes_are_called_or_say_what_they_need(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for route in router.routes:
        assert isinstance(route, APIRoute)
        for known in (ROUTES, ALL):
            monkeypatch.setitem(known, route.name, route)
    async with world_of(settings) as world:
        world.app.include_router(router, prefix="/api/v1")
        fault = await fault_of(world, "fill_in")
        assert fault is not None
        assert "add to tests/resources/test_callable.py" in fault.text
        assert fault.text.endswith(
            'from tests.routes.access import USER\n\nACCESS = {"fill_in": USER}\n'
        )
        for name in ("make_orders", "attach", "fill_in"):
            monkeypatch.setitem(table("ACCESS"), name, USER)
            assert await fault_of(world, name) is None
        monkeypatch.setitem(table("ACCESS"), "hook", PUBLIC)
        fault = await fault_of(world, "hook")
        assert fault is not None
        assert fault.text.endswith('REQUESTS = {"hook": Asked(fields={"code": ...})}')
        monkeypatch.setitem(table("REQUESTS"), "hook", Asked(fields={"code": "DE-7"}))
        fault = await fault_of(world, "hook")
        assert fault is not None
        assert 'return {"signature": ...}' in fault.text
        said = Asked(fields={"code": "DE-7"}, sign=signed)
        monkeypatch.setitem(table("REQUESTS"), "hook", said)
        assert await fault_of(world, "hook") is None


def test_no_text_is_made_twice() -> None:
    first, second = (body_of(ROUTES["create_project"], "mark")["name"] for _ in range(2))
    assert first != second
    assert first.startswith("mark")
