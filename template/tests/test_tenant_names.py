"""A request names its tenant, and the access token has to be that tenant's."""

from dataclasses import replace

import httpx
import pytest

from app.core.roles import Role
from app.models.public.tenants import Tenant
from tests.assumption import assume
from tests.factories import Factory, SignedIn

PATH = "/projects"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


@pytest.fixture
async def member(factory: Factory) -> SignedIn:
    """A member of acme."""
    return await factory.member("acme")


async def test_a_tenants_route_needs_a_tenant(member: SignedIn) -> None:
    assert code(await replace(member, tenant=None).get(PATH)) == (400, "tenant-required")


@pytest.mark.parametrize("name", ["Acme!", "a" * 57, "-acme", "tenant acme", "a--b", "acme_"])
async def test_a_name_that_breaks_the_rule(member: SignedIn, name: str) -> None:
    assert code(await member.get(PATH, tenant=name)) == (400, "tenant-invalid")


async def test_a_token_of_another_tenant(member: SignedIn, factory: Factory) -> None:
    globex = await factory.find_tenant("globex")
    for name in ("globex", str(globex.id), "no-such-tenant"):
        assert code(await member.get(PATH, tenant=name)) == (403, "tenant-mismatch")


async def test_the_lobbys_routes_need_no_tenant(member: SignedIn) -> None:
    me = await replace(member, tenant=None).get("/users/me")
    assert (me.status_code, me.json()["id"]) == (200, str(member.user_id))


async def test_a_tenant_may_be_named_by_its_id(owner: SignedIn, tenant: Tenant) -> None:
    answer = await owner.get("/tenant", tenant=str(tenant.id))
    assert answer.json()["id"] == str(tenant.id)


async def test_a_token_names_the_old_slug_until_it_is_refreshed(
    owner: SignedIn, tenant: Tenant
) -> None:
    renamed = f"{tenant.slug}-new"
    assert (await owner.patch("/tenant", {"slug": renamed})).status_code == 200
    assert (await owner.get("/tenant")).json()["slug"] == renamed
    assert code(await owner.get("/tenant", tenant=renamed)) == (403, "tenant-mismatch")


async def test_a_switch_leaves_each_token_to_its_tenant(factory: Factory) -> None:
    user = await factory.user()
    await factory.join(user, "acme")
    await factory.join(user, "globex")
    acme = await factory.sign_in(user, "acme", Role.MEMBER)
    globex = await factory.sign_in(user, "globex", Role.MEMBER)
    for session, other in ((acme, "globex"), (globex, "acme")):
        assert (await session.get(PATH)).status_code == 200
        assert code(await session.get(PATH, tenant=other)) == (403, "tenant-mismatch")


async def test_an_assumed_identity_opens_the_members_tenant_alone(
    factory: Factory, member: SignedIn
) -> None:
    superuser = await factory.signed_in(superuser=True)
    assumed = await assume(factory, member, superuser=superuser)
    assert (await assumed.get(PATH)).status_code == 200
    assert code(await assumed.get(PATH, tenant="globex")) == (403, "tenant-mismatch")
