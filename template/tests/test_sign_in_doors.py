"""Ways into the data of a tenant that requires the identity provider, beside its own routes."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.core.db.database import Database
from app.core.roles import Role
from app.models.public.tenants import Tenant
from app.repositories.public.users import UserRepository
from tests.answers import problem
from tests.assumption import assume
from tests.browser import Browser
from tests.factories import Factory
from tests.invites import user_of
from tests.provider import address
from tests.routes.access import demanded_by
from tests.routes.requests import ROUTES
from tests.two_ways import Member

ASSUME = "/admin/assume-identity"
MARKER = "what-only-members-know"


@pytest.fixture
async def owner(app: FastAPI, factory: Factory, tenant: Tenant) -> AsyncIterator[Member]:
    user = await factory.user(address())
    await factory.join(user, tenant.slug, Role.OWNER)
    async with Browser.open(app) as browser:
        yield Member(user, tenant, browser)


async def requiring(
    owner: Member, database: Database, *, superuser: bool = False
) -> httpx.Response:
    """Have the tenant require the provider, with a marker in its metadata; return the owner's session."""
    vouched = await owner.by_provider()
    marked = await owner.call(vouched, "PATCH", "/tenant", json={"metadata": {"plan": MARKER}})
    assert marked.json()["metadata"] == {"plan": MARKER}
    assert (await owner.require(vouched)).status_code == 200
    async with database.lobby() as lobby:
        (await UserRepository(lobby).get(owner.user.id)).is_superuser = superuser
    return vouched


async def test_no_route_of_the_lobby_shows_a_password_what_the_tenant_keeps(
    owner: Member, database: Database
) -> None:
    """Every one that reads: those of the platform as well, and those that are added later."""
    vouched = await requiring(owner, database, superuser=True)
    sessions = {"password": await owner.by_password(lobby=True), "provider": vouched}
    shown: dict[str, set[str]] = {kind: set() for kind in sessions}
    for name, route in ROUTES.items():
        demanded = demanded_by(name)
        if demanded is None or demanded.tenant or "GET" not in (route.methods or ()):
            continue
        path = route.path.format(slug=owner.tenant.slug)
        for kind, tokens in sessions.items():
            answer = await owner.call(tokens, "GET", path, params={"limit": 100})
            assert answer.status_code == 200, answer.text
            if MARKER in answer.text:
                shown[kind].add(name)
    assert shown == {
        "password": set(),
        "provider": {"list_tenants", "get_tenant", "list_all_tenants"},
    }


async def test_a_password_shows_that_a_tenant_requires_the_provider(
    owner: Member, factory: Factory, database: Database
) -> None:
    await requiring(owner, database)
    other = await factory.find_tenant("acme")
    await factory.join(owner.user, other.slug, Role.MEMBER)
    lobby = await owner.by_password(lobby=True)
    listed = (await owner.call(lobby, "GET", "/tenants")).json()["items"]
    shown = {item["slug"]: (item["role"], item["metadata"]) for item in listed}
    assert shown == {owner.tenant.slug: ("owner", None), "acme": ("member", {})}
    for slug, metadata in ((owner.tenant.slug, None), ("acme", {})):
        answer = await owner.call(lobby, "GET", f"/tenants/{slug}")
        assert (answer.status_code, answer.json()["metadata"]) == (200, metadata)
    mine = (await owner.call(lobby, "GET", "/users/me/tenants")).json()["items"]
    assert {item["slug"] for item in mine} == {owner.tenant.slug, "acme"}


async def test_a_superuser_with_a_password_moves_a_tenant_unseen(
    owner: Member, database: Database
) -> None:
    vouched = await requiring(owner, database, superuser=True)
    lobby = await owner.by_password(lobby=True)
    path = f"/admin/tenants/{owner.tenant.id}"
    for tokens, metadata in ((lobby, None), (vouched, {"plan": MARKER})):
        for step in ("suspend", "resume"):
            answer = await owner.call(tokens, "POST", f"{path}/{step}")
            assert (answer.status_code, answer.json()["metadata"]) == (200, metadata)


async def test_a_superuser_with_a_password_assumes_nobody_there(
    owner: Member, factory: Factory, database: Database
) -> None:
    member = await factory.member(owner.tenant.slug)
    body = {"user_id": str(member.user_id), "tenant_id": str(owner.tenant.id), "reason": "Ticket 7"}
    await requiring(owner, database, superuser=True)
    lobby = await owner.by_password(lobby=True)
    refused = await owner.call(lobby, "POST", ASSUME, json=body)
    assert problem(refused) == (403, "provider-required")
    assumed = await owner.call(await owner.by_provider(lobby=True), "POST", ASSUME, json=body)
    assert assumed.status_code == 200, assumed.text
    assert (await owner.call(assumed, "GET", "/tenant")).status_code == 200


async def test_an_assumed_identity_obeys_a_rule_that_came_after_it(
    owner: Member, factory: Factory, database: Database
) -> None:
    member = await factory.member(owner.tenant.slug)
    superuser = await factory.signed_in(superuser=True)
    assumed = await assume(factory, member, superuser=superuser)
    assert (await assumed.get("/tenant")).status_code == 200
    vouched = await requiring(owner, database)
    for path in ("/tenant", "/members"):
        assert problem(await assumed.get(path)) == (403, "provider-required")
    await owner.require(vouched, required=False)
    assert (await assumed.get("/tenant")).status_code == 200


async def test_what_admission_refuses_comes_before_the_rule(
    owner: Member, factory: Factory, database: Database
) -> None:
    member = await factory.member(owner.tenant.slug)
    superuser = await factory.signed_in(superuser=True)
    assumed = await assume(factory, member, superuser=superuser)
    await requiring(owner, database)
    assert problem(await assumed.get("/audit-logs")) == (403, "role-required")
    user = await user_of(database, member.email)
    assert user is not None
    await factory.leave(user, owner.tenant.slug)
    assert problem(await assumed.get("/tenant")) == (404, "tenant-not-found")
