"""Creating tenants, and the list of one's own."""

import asyncio
import secrets
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.roles import Role
from app.core.settings import Settings, TenantSettings
from app.main import create_app
from app.models.public.audit_logs import AuditLog
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.workflow_executions import WorkflowExecution
from tests import background
from tests.answers import problem
from tests.factories import Factory, SignedIn
from tests.lifespan import started


@pytest.fixture
async def user(factory: Factory) -> SignedIn:
    """A verified user in the lobby."""
    return await factory.signed_in()


def slug() -> str:
    return f"s-{secrets.token_hex(6)}"


async def test_a_verified_user_creates_a_tenant_and_can_watch_it(
    user: SignedIn, database: Database
) -> None:
    wanted = {"name": "Difference Engines", "slug": slug()}
    answer = await user.post("/tenants", wanted)
    assert answer.status_code == 202, answer.text
    tenant = answer.json()
    assert tenant == {
        **wanted,
        "id": tenant["id"],
        "status": "provisioning",
        "role": "owner",
        "metadata": {},
        "created_at": tenant["created_at"],
    }
    assert (await user.get(f"/tenants/{wanted['slug']}")).json() == tenant
    async with database.lobby() as lobby:
        requested = await lobby.scalars(
            select(col(WorkflowExecution.kind)).where(
                col(WorkflowExecution.tenant_id) == tenant["id"]
            )
        )
        audited = await lobby.scalars(
            select(AuditLog).where(col(AuditLog.tenant_id) == tenant["id"])
        )
    assert requested == ["provision_tenant"]
    assert [(row.action, row.user_id) for row in audited] == [("tenant.created", user.user_id)]
    await set_status(database, tenant["id"], TenantStatus.FAILED)
    assert (await user.get(f"/tenants/{wanted['slug']}")).json()["status"] == "failed"


async def set_status(database: Database, id: str, status: TenantStatus) -> None:
    async with database.lobby() as lobby:
        await lobby.execute(update(Tenant).where(col(Tenant.id) == id).values(status=status))


async def test_who_may_not_create_a_tenant(client: httpx.AsyncClient, factory: Factory) -> None:
    body = {"name": "X", "slug": slug()}
    assert (await client.post("/api/v1/tenants", json=body)).status_code == 401
    unverified = await factory.signed_in(verified=False)
    answer = await unverified.post("/tenants", body)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/email-not-verified")


async def test_one_of_eight_simultaneous_creates_wins(user: SignedIn, database: Database) -> None:
    dashed = f"race-{secrets.token_hex(6)}-x"
    spellings = [dashed, dashed.replace("-", "_")] * 4
    answers = await asyncio.gather(
        *(user.post("/tenants", {"name": "Race", "slug": spelling}) for spelling in spellings)
    )
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["type"] == "/problems/slug-taken"
    async with database.lobby() as lobby:
        counted = await lobby.scalar(
            select(func.count())
            .select_from(Tenant)
            .where(func.replace(col(Tenant.slug), "-", "_") == dashed.replace("-", "_"))
        )
    assert counted == 1


async def test_a_slug_that_a_rename_has_freed_can_be_used_again(
    user: SignedIn, factory: Factory, database: Database
) -> None:
    freed, kept = slug(), slug()
    first = await factory.tenant(freed, status=TenantStatus.READY)
    owner = await factory.member(freed, Role.OWNER)
    assert (await owner.patch("/tenant", {"slug": kept})).status_code == 200
    await background.let_hold_end(database, freed)
    answer = await user.post("/tenants", {"name": "Second", "slug": freed})
    assert answer.status_code == 202, answer.text
    async with database.lobby() as lobby:
        schemas = await lobby.scalars(
            select(col(Tenant.schema_name)).where(col(Tenant.slug).in_((freed, kept)))
        )
    assert len(set(schemas)) == 2
    assert first.schema_name in schemas


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "A",
        "-a",
        "a-",
        "a--b",
        "a-_b",
        "a b",
        "../etc",
        "a\n",
        "a;drop",
        "ä",
        "x" * 57,
        "0191d6a0-7c1e-7000-8000-000000000000",
        "0191d6a07c1e70008000000000000000",
        7,
        None,
        "nul\x00",
    ],
)
async def test_a_wrong_slug_is_refused(user: SignedIn, wrong: object) -> None:
    answer = await user.post("/tenants", {"name": "X", "slug": wrong})
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/slug"]


@pytest.mark.parametrize(
    "name", ["www", "api", "autodiscover", "wpad", "mta-sts", "mta_sts", "shop", "SHOP"]
)
async def test_a_reserved_name_is_no_new_tenants(
    settings: Settings, user: SignedIn, factory: Factory, name: str
) -> None:
    reserving = TenantSettings(reserved_slugs=("shop",))
    app = create_app(settings.model_copy(update={"tenants": reserving}))
    own = urlsplit(settings.public_url).hostname or ""
    owner = await factory.member((await factory.tenant(status=TenantStatus.READY)).slug, Role.OWNER)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        started(app),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        for slug in (name.lower(), own.partition(".")[0]):
            body = {"name": "X", "slug": slug}
            created = await replace(user, client=client).post("/tenants", body)
            renamed = await replace(owner, client=client).patch("/tenant", {"slug": slug})
            assert problem(created) == problem(renamed) == (409, "slug-taken")
            assert created.json()["detail"] == "This name is reserved."


async def test_a_tenant_with_a_reserved_name_keeps_it(factory: Factory) -> None:
    tenant = await factory.tenant("intranet", status=TenantStatus.READY)
    owner = await factory.member(tenant.slug, Role.OWNER)
    for change in ({"name": "Renamed"}, {"slug": "intranet"}):
        answer = await owner.patch("/tenant", change)
        assert (answer.status_code, answer.json()["slug"]) == (200, "intranet"), answer.text


async def test_the_longest_slug_makes_a_name_that_fits(user: SignedIn) -> None:
    longest = f"republic-{secrets.token_hex(23)}x"
    assert len(longest) == 56
    answer = await user.post("/tenants", {"name": "Longest", "slug": longest})
    assert answer.status_code == 202, answer.text


async def test_only_own_tenants_are_listed_in_pages(user: SignedIn, factory: Factory) -> None:
    mine = [slug() for _ in range(3)]
    for name in mine:
        assert (await user.post("/tenants", {"name": name, "slug": name})).status_code == 202
    seen, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await user.get("/tenants", params=params)).json()
        seen += [item["slug"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == mine[::-1]
    stranger = await factory.signed_in()
    assert (await stranger.get("/tenants")).json() == {"items": [], "next_cursor": None}


async def test_a_tenant_of_others_is_not_found(user: SignedIn) -> None:
    for path in ("/tenants/acme", f"/tenants/{slug()}"):
        answer = await user.get(path)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/tenant-not-found")
    assert (await user.get("/tenants/No%20slug")).status_code == 422


async def test_a_deleted_tenant_is_gone_and_its_slug_may_be_anothers(
    user: SignedIn, factory: Factory
) -> None:
    name = slug()
    old = await factory.tenant(name, status=TenantStatus.DELETED)
    owner = await factory.user()
    await factory.join(owner, name, Role.OWNER)
    former = await factory.sign_in(owner)
    assert (await former.get(f"/tenants/{name}")).status_code == 404
    assert (await former.get("/tenants")).json()["items"] == []
    created = await user.post("/tenants", {"name": "New", "slug": name})
    assert created.status_code == 202, created.text
    assert (await user.get(f"/tenants/{name}")).json()["id"] != str(old.id)


async def test_a_slug_is_found_in_either_spelling(user: SignedIn) -> None:
    dashed = slug()
    created = (await user.post("/tenants", {"name": "X", "slug": dashed})).json()
    assert (await user.get(f"/tenants/{dashed.replace('-', '_')}")).json() == created
