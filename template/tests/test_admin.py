"""What platform superusers do to tenants, and what they see of background work."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from tests.answers import problem
from tests.factories import Factory, SignedIn


@pytest.fixture
async def superuser(factory: Factory) -> SignedIn:
    """A platform superuser in the lobby."""
    return await factory.signed_in(superuser=True)


async def ready_tenant(factory: Factory) -> tuple[Tenant, SignedIn]:
    tenant = await factory.tenant(status=TenantStatus.READY)
    return tenant, await factory.member(tenant.slug)


async def executions(database: Database, tenant: Tenant) -> list[tuple[str, str]]:
    async with database.lobby() as lobby:
        rows = await lobby.scalars(
            select(WorkflowExecution)
            .where(col(WorkflowExecution.tenant_id) == tenant.id)
            .order_by(col(WorkflowExecution.id))
        )
    return [(row.kind.value, row.status.value) for row in rows]


async def audited(database: Database, tenant: Tenant) -> list[AuditLog]:
    async with database.lobby() as lobby:
        return await lobby.scalars(
            select(AuditLog).where(col(AuditLog.tenant_id) == tenant.id).order_by(col(AuditLog.id))
        )


async def act(superuser: SignedIn, tenant: Tenant, step: str) -> httpx.Response:
    path = f"/admin/tenants/{tenant.id}"
    if step == "delete":
        return await superuser.delete(path)
    return await superuser.post(f"{path}/{step}")


async def test_a_suspended_tenant_is_closed_until_it_is_resumed(
    factory: Factory, superuser: SignedIn, database: Database
) -> None:
    tenant, member = await ready_tenant(factory)
    answer = await act(superuser, tenant, "suspend")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "suspended"
    assert answer.json()["suspended_at"] is not None
    assert problem(await member.get("/tenant")) == (403, "tenant-suspended")
    resumed = await act(superuser, tenant, "resume")
    assert (resumed.json()["status"], resumed.json()["suspended_at"]) == ("ready", None)
    assert (await member.get("/tenant")).status_code == 200
    rows = await audited(database, tenant)
    assert [row.action for row in rows] == ["tenant.suspended", "tenant.resumed"]
    assert {row.user_id for row in rows} == {superuser.user_id}


@pytest.mark.parametrize("suspended", [False, True])
async def test_a_deleted_tenant_is_restored_as_it_was(
    factory: Factory, superuser: SignedIn, database: Database, suspended: bool
) -> None:
    tenant, member = await ready_tenant(factory)
    if suspended:
        await act(superuser, tenant, "suspend")
    answer = await act(superuser, tenant, "delete")
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "deleting"
    assert problem(await member.get("/tenant")) == (410, "tenant-deleted")
    assert await executions(database, tenant) == [("delete_tenant", "pending")]
    restored = await act(superuser, tenant, "restore")
    assert restored.status_code == 200, restored.text
    assert restored.json()["delete_after"] is None
    assert restored.json()["status"] == ("suspended" if suspended else "ready")
    assert (await member.get("/tenant")).status_code == (403 if suspended else 200)
    assert await executions(database, tenant) == [("delete_tenant", "cancelled")]
    assert (await act(superuser, tenant, "delete")).status_code == 202
    assert await executions(database, tenant) == [
        ("delete_tenant", "cancelled"),
        ("delete_tenant", "pending"),
    ]


async def test_a_running_deletion_is_cancelled_too(
    factory: Factory, superuser: SignedIn, database: Database
) -> None:
    tenant, _ = await ready_tenant(factory)
    await act(superuser, tenant, "delete")
    async with database.lobby() as lobby:
        await lobby.execute(
            update(WorkflowExecution)
            .where(col(WorkflowExecution.tenant_id) == tenant.id)
            .values(status=WorkflowStatus.RUNNING)
        )
    assert (await act(superuser, tenant, "restore")).status_code == 200
    assert (await act(superuser, tenant, "delete")).status_code == 202


async def test_nothing_is_restored_after_the_grace_period(
    factory: Factory, superuser: SignedIn, database: Database
) -> None:
    tenant, _ = await ready_tenant(factory)
    await act(superuser, tenant, "delete")
    async with database.lobby() as lobby:
        await lobby.execute(
            update(Tenant)
            .where(col(Tenant.id) == tenant.id)
            .values(delete_after=utcnow() - timedelta(seconds=1))
        )
    assert problem(await act(superuser, tenant, "restore")) == (409, "transition-not-allowed")
    assert await executions(database, tenant) == [("delete_tenant", "pending")]


async def test_a_failed_tenant_is_provisioned_again(
    factory: Factory, superuser: SignedIn, database: Database
) -> None:
    tenant = await factory.tenant(status=TenantStatus.FAILED)
    answers = await asyncio.gather(*(act(superuser, tenant, "retry") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert await executions(database, tenant) == [("provision_tenant", "pending")]
    assert [row.action for row in await audited(database, tenant)] == [
        "tenant.provisioning_retried"
    ]


async def test_a_retry_waits_for_the_end_of_the_execution_before(
    factory: Factory, superuser: SignedIn, database: Database
) -> None:
    tenant = await factory.tenant(status=TenantStatus.FAILED)
    async with database.lobby() as lobby:
        await lobby.add(
            WorkflowExecution(
                kind=WorkflowKind.PROVISION_TENANT,
                status=WorkflowStatus.RUNNING,
                tenant_id=tenant.id,
            )
        )
    assert problem(await act(superuser, tenant, "retry")) == (409, "transition-not-allowed")
    assert await audited(database, tenant) == []


async def test_what_was_never_ready_is_not_restored(
    factory: Factory, superuser: SignedIn, database: Database
) -> None:
    failed = await factory.tenant(status=TenantStatus.FAILED)
    deleting = (await act(superuser, failed, "delete")).json()
    assert deleting["status"] == "deleting"
    assert deleting["delete_after"] == deleting["created_at"], "by no clock restorable"
    assert problem(await act(superuser, failed, "restore")) == (409, "transition-not-allowed")
    pending = await factory.tenant(status=TenantStatus.PENDING)
    assert (await act(superuser, pending, "delete")).json()["status"] == "deleted"
    assert await executions(database, pending) == []


LEGAL = {
    "suspend": {TenantStatus.READY},
    "resume": {TenantStatus.SUSPENDED},
    "retry": {TenantStatus.FAILED},
    "restore": {TenantStatus.DELETING},
    "delete": {
        TenantStatus.PENDING,
        TenantStatus.FAILED,
        TenantStatus.READY,
        TenantStatus.SUSPENDED,
    },
}


@pytest.mark.parametrize("status", list(TenantStatus))
async def test_no_other_step_is_possible(
    factory: Factory, superuser: SignedIn, database: Database, status: TenantStatus
) -> None:
    for step, legal in LEGAL.items():
        if status in legal:
            continue
        tenant = await factory.tenant(status=status)
        answer = await act(superuser, tenant, step)
        assert problem(answer) == (409, "transition-not-allowed"), step
        assert await executions(database, tenant) == []
        assert await audited(database, tenant) == []


@pytest.mark.parametrize("step", list(LEGAL))
async def test_an_unknown_tenant_is_not_found(
    factory: Factory, superuser: SignedIn, step: str
) -> None:
    tenant = await factory.tenant()
    tenant.id = uuid7()
    assert problem(await act(superuser, tenant, step)) == (404, "not-found")


async def test_all_tenants_are_listed_by_status_in_pages(
    factory: Factory, superuser: SignedIn
) -> None:
    made = [(await factory.tenant(status=TenantStatus.FAILED)).slug for _ in range(3)]
    seen: list[str] = []
    cursor: str | None = None
    while not set(made) <= set(seen):
        params = {"limit": 2, "status": "failed", **({"cursor": cursor} if cursor else {})}
        page = (await superuser.get("/admin/tenants", params=params)).json()
        assert {item["status"] for item in page["items"]} == {"failed"}
        seen += [item["slug"] for item in page["items"]]
        cursor = page["next_cursor"]
        assert cursor is not None or set(made) <= set(seen)
    assert [slug for slug in seen if slug in made] == made[::-1]
    newest = (await superuser.get("/admin/tenants?limit=1")).json()["items"][0]
    assert newest["schema_name"].startswith("tenant_")
    assert "role_name" not in newest
    assert (await superuser.get("/admin/tenants?status=odd")).status_code == 422


async def test_background_work_is_listed_by_status_and_tenant(
    factory: Factory, superuser: SignedIn
) -> None:
    tenant, _ = await ready_tenant(factory)
    for step in ("delete", "restore", "delete"):
        assert (await act(superuser, tenant, step)).is_success
    path = f"/admin/workflows?tenant_id={tenant.id}"
    items = (await superuser.get(path)).json()["items"]
    assert [item["status"] for item in items] == ["pending", "cancelled"]
    assert items[0] == {
        "id": items[0]["id"],
        "kind": "delete_tenant",
        "status": "pending",
        "tenant_id": str(tenant.id),
        "user_id": None,
        "payload": {},
        "error": None,
        "created_at": items[0]["created_at"],
        "started_at": None,
        "checked_at": None,
        "finished_at": None,
    }
    assert items[1]["finished_at"] is not None
    cancelled = (await superuser.get(f"{path}&status=cancelled")).json()["items"]
    assert cancelled == items[1:]
    first = (await superuser.get(f"{path}&limit=1")).json()
    second = (await superuser.get(f"{path}&limit=1&cursor={first['next_cursor']}")).json()
    assert [*first["items"], *second["items"]] == items
    assert second["next_cursor"] is None
    assert (await superuser.get("/admin/workflows?status=odd")).status_code == 422
    assert (await superuser.get("/admin/workflows?tenant_id=odd")).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/tenants"),
        ("POST", "/admin/tenants/{id}/suspend"),
        ("POST", "/admin/tenants/{id}/resume"),
        ("POST", "/admin/tenants/{id}/retry"),
        ("POST", "/admin/tenants/{id}/restore"),
        ("DELETE", "/admin/tenants/{id}"),
        ("POST", "/admin/assume-identity"),
        ("GET", "/admin/workflows"),
    ],
)
async def test_others_are_refused(
    client: httpx.AsyncClient, factory: Factory, database: Database, method: str, path: str
) -> None:
    tenant = await factory.tenant(status=TenantStatus.READY)
    owner = await factory.member(tenant.slug, Role.OWNER)
    url = path.format(id=tenant.id)
    assert problem(await owner.call(method, url)) == (403, "superuser-required")
    assert problem(await client.request(method, f"/api/v1{url}")) == (401, "unauthenticated")
    async with database.lobby() as lobby:
        row = await lobby.scalar(select(Tenant).where(col(Tenant.id) == tenant.id))
    assert row is not None
    assert row.status is TenantStatus.READY
