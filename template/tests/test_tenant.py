"""The current tenant: reading, changing and deleting it."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.workflow_executions import WorkflowExecution
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenants import TenantRegistry
from app.schemas.tenants import METADATA_MAX_BYTES
from tests import background
from tests.assumption import assume
from tests.factories import Factory, SignedIn


async def stored(database: Database, tenant: Tenant) -> Tenant:
    async with database.lobby() as lobby:
        row = await lobby.scalar(select(Tenant).where(col(Tenant.id) == tenant.id))
    assert row is not None
    return row


async def audited(database: Database, tenant: Tenant) -> list[AuditLog]:
    async with database.lobby() as lobby:
        return await lobby.scalars(
            select(AuditLog).where(col(AuditLog.tenant_id) == tenant.id).order_by(col(AuditLog.id))
        )


@pytest.mark.parametrize("deletes", [True, False])
async def test_an_owner_who_is_demoted_meanwhile_changes_nothing(
    factory: Factory, tenant: Tenant, database: Database, *, deletes: bool
) -> None:
    owner = await factory.member(tenant.slug, Role.OWNER)
    async with database.lobby() as lobby:
        # What a change of roles does: the tenant is locked, so that one goes on after the other.
        await TenantRegistry(lobby).get(tenant.id)
        asking = asyncio.create_task(
            owner.call("DELETE", "/tenant", json={"confirm_slug": tenant.slug})
            if deletes
            else owner.patch("/tenant", {"slug": f"{tenant.slug}-2"})
        )
        await background.eventually(lambda: background.somebody_waits_in(database))
        own = await MembershipRepository(lobby).get_of(tenant.id, owner.user_id)
        await MembershipRepository(lobby).update(own, {"role": Role.ADMIN})
    answer = await asking
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/role-required")
    assert (await stored(database, tenant)).slug == tenant.slug
    assert (await stored(database, tenant)).status is TenantStatus.READY


@pytest.mark.parametrize("role", list(Role))
async def test_every_member_reads_it(factory: Factory, tenant: Tenant, role: Role) -> None:
    member = await factory.member(tenant.slug, role)
    answer = await member.get("/tenant")
    assert answer.status_code == 200, answer.text
    read = answer.json()
    assert (read["slug"], read["status"], read["role"]) == (tenant.slug, "ready", role)
    assert read["metadata"] == {}


async def test_an_admin_changes_name_and_metadata(
    factory: Factory, tenant: Tenant, database: Database
) -> None:
    admin = await factory.member(tenant.slug, Role.ADMIN)
    metadata = {"plan": "pro", "seats": 5, "limits": {"a": [1.5, None, True, "ß"]}}
    answer = await admin.patch("/tenant", {"name": "  New  ", "metadata": metadata})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["metadata"]) == ("New", metadata)
    assert (await admin.get("/tenant")).json() == answer.json()
    replaced = await admin.patch("/tenant", {"metadata": {}})
    assert (replaced.json()["name"], replaced.json()["metadata"]) == ("New", {})
    rows = await audited(database, tenant)
    assert [row.action for row in rows] == ["tenant.updated"] * 2
    assert rows[0].before is not None
    assert rows[0].after is not None
    assert (rows[0].before["name"], rows[0].after["name"]) == (tenant.name, "New")
    assert rows[0].after["metadata"] == metadata


async def test_a_change_that_changes_nothing_leaves_no_audit_row(
    owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    for body in ({}, {"name": tenant.name, "slug": tenant.slug, "metadata": {}}):
        assert (await owner.patch("/tenant", body)).status_code == 200
    assert await audited(database, tenant) == []


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (False, 0), (1.0, 1), ([{"a": 1}], [{"a": True}]), (0, 0.0)]
)
async def test_what_python_calls_equal_is_another_value(
    owner: SignedIn, tenant: Tenant, database: Database, old: object, new: object
) -> None:
    for metadata in ({"beta": old}, {"beta": new}):
        answer = await owner.patch("/tenant", {"metadata": metadata})
        for shown in (answer, await owner.get("/tenant")):
            assert json.dumps(shown.json()["metadata"]) == json.dumps(metadata)
    kept = [row.after["metadata"] for row in await audited(database, tenant) if row.after]
    assert json.dumps(kept) == json.dumps([{"beta": old}, {"beta": new}])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"a": 1, "bb": 2}', '{"bb": 2, "a": 1}'),
        ('{"a": 1e300}', f'{{"a": {10**300}}}'),
        ('{"a": -0.0}', '{"a": 0.0}'),
        ('{"a": 1e-5}', '{"a": 0.00001}'),
    ],
)
async def test_another_spelling_of_what_is_stored_leaves_no_audit_row(
    owner: SignedIn, tenant: Tenant, database: Database, old: str, new: str
) -> None:
    for metadata in (old, new):
        assert (await changed(owner, metadata)).status_code == 200
    assert len(await audited(database, tenant)) == 1


async def test_a_member_changes_nothing(factory: Factory, tenant: Tenant) -> None:
    member = await factory.member(tenant.slug)
    for answer in (
        await member.patch("/tenant", {"name": "X"}),
        await member.call("DELETE", "/tenant", json={"confirm_slug": tenant.slug}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/role-required")


async def test_only_an_owner_changes_the_slug(
    factory: Factory, tenant: Tenant, owner: SignedIn, database: Database
) -> None:
    admin = await factory.member(tenant.slug, Role.ADMIN)
    wanted = f"{tenant.slug}-new"
    refused = await admin.patch("/tenant", {"slug": wanted})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/role-required")
    same = await admin.patch("/tenant", {"slug": tenant.slug, "name": "Same slug"})
    assert same.status_code == 200
    assert (await owner.patch("/tenant", {"slug": wanted})).json()["slug"] == wanted
    row = await stored(database, tenant)
    assert (row.slug, row.schema_name) == (wanted, tenant.schema_name)


async def test_a_slug_of_another_tenant_is_refused(owner: SignedIn, tenant: Tenant) -> None:
    answer = await owner.patch("/tenant", {"slug": "acme"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/slug-taken")
    respelled = tenant.slug.replace("-", "_")
    assert (await owner.patch("/tenant", {"slug": respelled})).json()["slug"] == respelled


async def test_an_assumed_owner_changes_neither_slug_nor_existence(
    factory: Factory, owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    superuser = await factory.signed_in(superuser=True)
    assumed = await assume(factory, owner, superuser=superuser)
    for answer in (
        await assumed.patch("/tenant", {"slug": f"{tenant.slug}-x"}),
        await assumed.call("DELETE", "/tenant", json={"confirm_slug": tenant.slug}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/assumed-identity")
    assert (await assumed.patch("/tenant", {"name": "Fixed"})).status_code == 200
    row = (await audited(database, tenant))[-1]
    assert (row.action, row.user_id, row.assumed_by) == (
        "tenant.updated",
        owner.user_id,
        superuser.user_id,
    )


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


async def changed(owner: SignedIn, metadata: str) -> httpx.Response:
    return await owner.call(
        "PATCH",
        "/tenant",
        content=f'{{"metadata": {metadata}}}',
        headers={"Content-Type": "application/json"},
    )


@pytest.mark.parametrize("metadata", [nested(8), {"a": "x" * (16 * 1024 - 9)}, {"a": 10**300}])
async def test_metadata_up_to_the_limits_comes_back_as_it_was(
    owner: SignedIn, metadata: dict[str, Any]
) -> None:
    answer = await owner.patch("/tenant", {"metadata": metadata})
    assert answer.status_code == 200, answer.text
    assert (await owner.get("/tenant")).json()["metadata"] == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        '{"m": [1e308' + ", 1e308" * 51 + "]}",
        '{"m": [-1.5e+300, 1e16, 123456789012345680000.0, 1e-308, 5e-324, -0.0, -0]}',
        '{"m": ' + "9" * 4300 + "}",
    ],
)
async def test_numbers_come_back_as_they_were_answered_and_can_be_sent_again(
    owner: SignedIn, metadata: str
) -> None:
    answers = [await changed(owner, metadata), await owner.get("/tenant")]
    answers.append(await owner.patch("/tenant", {"metadata": answers[1].json()["metadata"]}))
    texts = {json.dumps(answer.json()["metadata"]) for answer in answers}
    assert len(texts) == 1
    assert len(texts.pop()) <= METADATA_MAX_BYTES


@pytest.mark.parametrize(
    "metadata",
    [
        rb"[]",
        rb"null",
        rb'"x"',
        rb'{"a": NaN}',
        rb'{"a": -Infinity}',
        rb'{"a": 1e400}',
        rb'{"a": "\u0000"}',
        rb'{"\u0000": 1}',
        rb'{"a": ["\ud800"]}',
        rb'{"\udfff": 1}',
        json.dumps(nested(9)).encode(),
        json.dumps({"a": [[[[[[[["x"]]]]]]]]}).encode(),
        json.dumps({"a": "x" * (16 * 1024)}).encode(),
        json.dumps({"a": [1e308] * 53}).encode(),
        json.dumps({"a": [-1e300] * 1500}).encode(),
    ],
)
async def test_metadata_that_cannot_be_kept_is_refused(owner: SignedIn, metadata: bytes) -> None:
    answer = await owner.call(
        "PATCH",
        "/tenant",
        content=b'{"metadata": %s}' % metadata,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/metadata"]


@pytest.mark.parametrize("levels", [300, 100_000])
async def test_metadata_without_end_is_refused(owner: SignedIn, levels: int) -> None:
    answer = await owner.call(
        "PATCH",
        "/tenant",
        content=b'{"metadata": {"a":' + b"[" * levels + b"]" * levels + b"}}",
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in {400, 422}, answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": None},
        {"name": "nul \x00"},
        {"name": "a\x1b[2Jb"},
        {"name": "a\nb"},
        {"name": "a\u202eb"},
        {"slug": "Not A Slug"},
        {"slug": None},
        {"status": "suspended"},
        {"schema_name": "tenant_acme"},
        {"id": "0191d6a0-7c1e-7000-8000-000000000000"},
        [],
    ],
)
async def test_a_wrong_change_is_refused(owner: SignedIn, body: object) -> None:
    answer = await owner.patch("/tenant", body)
    assert answer.status_code == 422, answer.text


async def test_an_owner_deletes_it_and_members_are_told(
    factory: Factory, owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    member = await factory.member(tenant.slug)
    answer = await owner.call("DELETE", "/tenant", json={"confirm_slug": tenant.slug})
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "deleting"
    for caller in (owner, member):
        gone = await caller.get("/tenant")
        assert (gone.status_code, gone.json()["type"]) == (410, "/problems/tenant-deleted")
    row = await stored(database, tenant)
    assert row.delete_after is not None
    assert timedelta(days=29) < row.delete_after - utcnow() < timedelta(days=31)
    async with database.lobby() as lobby:
        requested = await lobby.scalars(
            select(col(WorkflowExecution.kind)).where(col(WorkflowExecution.tenant_id) == tenant.id)
        )
    assert requested == ["delete_tenant"]
    actions = [row.action for row in await audited(database, tenant)]
    assert actions == ["tenant.deletion_requested"]
    again = await owner.call("DELETE", "/tenant", json={"confirm_slug": tenant.slug})
    assert again.status_code == 410


async def test_a_deletion_needs_an_owner_and_the_slug(
    factory: Factory, owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    admin = await factory.member(tenant.slug, Role.ADMIN)
    refused = await admin.call("DELETE", "/tenant", json={"confirm_slug": tenant.slug})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/role-required")
    wrong = await owner.call("DELETE", "/tenant", json={"confirm_slug": "acme"})
    assert (wrong.status_code, wrong.json()["type"]) == (409, "/problems/slug-not-confirmed")
    for body in ({}, {"confirm_slug": None}, {"confirm_slug": "nul \x00"}, None):
        assert (await owner.call("DELETE", "/tenant", json=body)).status_code == 422
    assert (await stored(database, tenant)).status is TenantStatus.READY
    assert await audited(database, tenant) == []
