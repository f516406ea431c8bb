"""A superuser under a member's identity: short, with a reason, on every audit row."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import uuid7
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.users import User
from tests.answers import problem
from tests.assumption import assume
from tests.factories import Factory, SignedIn


@pytest.fixture
async def superuser(factory: Factory) -> SignedIn:
    """A platform superuser in the lobby."""
    return await factory.signed_in(superuser=True)


@pytest.fixture
async def member(factory: Factory) -> SignedIn:
    """An owner of acme, who lends the identity."""
    return await factory.member("acme", Role.OWNER)


async def request_of(factory: Factory, member: SignedIn, **changes: Any) -> dict[str, Any]:
    tenant = await factory.find_tenant("acme")
    return {
        "user_id": str(member.user_id),
        "tenant_id": str(tenant.id),
        "reason": "Ticket 7",
        **changes,
    }


async def test_it_is_short_and_its_reason_is_in_the_tenants_audit_log(
    factory: Factory, superuser: SignedIn, member: SignedIn
) -> None:
    body = await request_of(factory, member)
    answer = await superuser.post("/admin/assume-identity", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 15 * 60
    assert set(answer.json()) == {"access_token", "expires_in"}
    rows = await member.get(
        "/audit-logs", params={"entity_type": "user", "entity_id": str(member.user_id)}
    )
    [row] = rows.json()["items"]
    assert (row["action"], row["user_id"]) == ("identity.assumed", str(superuser.user_id))
    assert row["after"] == body


async def test_every_audit_row_names_both(
    factory: Factory, superuser: SignedIn, member: SignedIn, database: Database
) -> None:
    assumed = await assume(factory, member, superuser=superuser)
    created = await assumed.post("/projects", {"name": f"Project {uuid7()}"})
    assert created.status_code == 201, created.text
    assert created.json()["created_by"] == str(member.user_id)
    renamed = f"Project {uuid7()}"
    changed = await assumed.patch(f"/projects/{created.json()['id']}", {"name": renamed})
    assert changed.status_code == 200, changed.text
    async with database.lobby() as lobby:
        rows = await lobby.scalars(
            select(AuditLog).where(col(AuditLog.assumed_by) == superuser.user_id)
        )
    assert {(row.action, row.user_id) for row in rows} == {
        ("project.created", member.user_id),
        ("project.updated", member.user_id),
    }


async def test_what_is_the_persons_and_not_the_tenants_stays_out_of_reach(
    factory: Factory, superuser: SignedIn, member: SignedIn
) -> None:
    assumed = await assume(factory, member, superuser=superuser)
    name = (await member.get("/users/me")).json()["full_name"]
    for answer in (
        await assumed.get("/auth/sessions"),
        await assumed.patch("/users/me", {"full_name": "Another Name"}),
    ):
        assert problem(answer) == (403, "assumed-identity")
    assert (await member.get("/users/me")).json()["full_name"] == name


async def test_it_gives_no_platform_rights_and_cannot_be_passed_on(
    factory: Factory, superuser: SignedIn, member: SignedIn
) -> None:
    assumed = await assume(factory, member, superuser=superuser)
    assert (await assumed.get("/admin/tenants")).status_code == 403
    body = await request_of(factory, member)
    assert (await assumed.post("/admin/assume-identity", body)).status_code == 403


async def test_it_ends_with_the_superusers_session(
    factory: Factory, superuser: SignedIn, member: SignedIn
) -> None:
    assumed = await assume(factory, member, superuser=superuser)
    assert (await assumed.get("/tenant")).status_code == 200
    assert (await superuser.post("/auth/logout-all")).status_code == 204
    assert problem(await assumed.get("/tenant")) == (401, "unauthenticated")
    assert (await member.get("/tenant")).status_code == 200


async def test_it_ends_with_the_superusers_rights(
    factory: Factory, superuser: SignedIn, member: SignedIn, database: Database
) -> None:
    assumed = await assume(factory, member, superuser=superuser)
    # Whose rights do not help.
    await factory.user(superuser=True)
    async with database.lobby() as lobby:
        await lobby.execute(
            update(User).where(col(User.id) == superuser.user_id).values(is_superuser=False)
        )
    for path in ("/tenant", "/users/me"):
        assert problem(await assumed.get(path)) == (401, "unauthenticated")


async def test_no_superusers_identity_is_assumed(factory: Factory, superuser: SignedIn) -> None:
    other = await factory.user(superuser=True)
    await factory.join(other, "acme")
    target = await factory.sign_in(other, "acme", Role.MEMBER)
    body = await request_of(factory, target)
    answer = await superuser.post("/admin/assume-identity", body)
    assert problem(answer) == (403, "assumed-identity")


async def test_only_members_identities_are_assumed(
    factory: Factory, superuser: SignedIn, member: SignedIn
) -> None:
    globex = await factory.find_tenant("globex")
    for change in (
        {"user_id": str(uuid7())},
        {"tenant_id": str(uuid7())},
        {"tenant_id": str(globex.id)},
        {"user_id": str(superuser.user_id)},
    ):
        body = await request_of(factory, member, **change)
        assert problem(await superuser.post("/admin/assume-identity", body)) == (404, "not-found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"reason": ""}, "/body/reason"),
        ({"reason": "   "}, "/body/reason"),
        ({"reason": None}, "/body/reason"),
        ({"reason": "nul \x00"}, "/body/reason"),
        ({"reason": "x" * 201}, "/body/reason"),
        ({"user_id": "me"}, "/body/user_id"),
        ({"tenant_id": "acme"}, "/body/tenant_id"),
        ({"role": "owner"}, "/body/role"),
    ],
)
async def test_a_wrong_request_is_refused(
    factory: Factory, superuser: SignedIn, member: SignedIn, change: dict[str, Any], pointer: str
) -> None:
    body = await request_of(factory, member, **change)
    answer = await superuser.post("/admin/assume-identity", body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
