"""A slug that a tenant has freed is nobody else's for as long as an access token may name it."""

import asyncio
import secrets
from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update
from sqlmodel import col

from app.core.db.database import Database
from app.core.roles import Role
from app.core.security.token_settings import TokenSettings
from app.core.settings import Settings
from app.core.slugs import SLUG_HOLD
from app.models.public.freed_slugs import FreedSlug
from app.models.public.tenants import Tenant, TenantStatus
from app.services.clean_up import CleanUp
from tests import background
from tests.answers import problem
from tests.factories import Factory, SignedIn

TAKEN = (409, "slug-taken")
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def user(factory: Factory) -> SignedIn:
    """A verified user in the lobby."""
    return await factory.signed_in()


@pytest.fixture
async def freed(owner: SignedIn, tenant: Tenant) -> str:
    """The slug that a tenant had until now."""
    answer = await owner.patch("/tenant", {"slug": f"s-{secrets.token_hex(6)}"})
    assert answer.status_code == 200, answer.text
    return tenant.slug


async def take(user: SignedIn, slug: str) -> tuple[int, str | None]:
    answer = await user.post("/tenants", {"name": "Taker", "slug": slug})
    return (answer.status_code, None) if answer.status_code == 202 else problem(answer)


async def let_pass(database: Database, slug: str, passed: timedelta) -> None:
    async with database.lobby() as lobby:
        await lobby.execute(
            update(FreedSlug)
            .where(col(FreedSlug.name) == slug.replace("-", "_"))
            .values(freed_at=col(FreedSlug.freed_at) - passed)
        )


async def move(database: Database, tenant: Tenant, *path: TenantStatus) -> None:
    async with database.lobby() as lobby:
        for status in path:
            await lobby.execute(
                update(Tenant).where(col(Tenant.id) == tenant.id).values(status=status)
            )


async def test_nobody_else_takes_it_by_any_way(
    user: SignedIn, freed: str, factory: Factory
) -> None:
    other = await factory.tenant(status=TenantStatus.READY)
    owner = await factory.member(other.slug, Role.OWNER)
    for spelling in (freed, freed.replace("-", "_")):
        assert await take(user, spelling) == TAKEN
        assert problem(await owner.patch("/tenant", {"slug": spelling})) == TAKEN


async def test_a_token_that_names_it_opens_its_own_tenant_alone(
    user: SignedIn, owner: SignedIn, tenant: Tenant, freed: str
) -> None:
    """The token names the slug of its time. Nobody else has that, so what is written lands where it was meant to."""
    assert await take(user, freed) == TAKEN
    written = await owner.patch("/tenant", {"metadata": {"by": "a stale token"}}, tenant=freed)
    assert (written.status_code, written.json()["id"]) == (200, str(tenant.id))


async def test_its_tenant_takes_it_back(
    user: SignedIn, owner: SignedIn, freed: str, database: Database
) -> None:
    renamed = (await owner.get("/tenant")).json()["slug"]
    assert (await owner.patch("/tenant", {"slug": freed})).json()["slug"] == freed
    assert await take(user, renamed) == TAKEN, "that one is held as well"
    await let_pass(database, freed, SLUG_HOLD + MINUTE)
    assert await take(user, freed) == TAKEN
    # Freed once more, it is held from then on.
    assert (await owner.patch("/tenant", {"slug": renamed})).json()["slug"] == renamed
    assert await take(user, freed) == TAKEN


async def test_another_spelling_frees_nothing(
    owner: SignedIn, tenant: Tenant, database: Database
) -> None:
    respelled = tenant.slug.replace("-", "_")
    assert (await owner.patch("/tenant", {"slug": respelled})).status_code == 200
    async with database.lobby() as lobby:
        held = select(FreedSlug).where(col(FreedSlug.tenant_id) == tenant.id)
        assert await lobby.scalars(held) == []


async def test_it_is_held_for_that_long(user: SignedIn, freed: str, database: Database) -> None:
    await let_pass(database, freed, SLUG_HOLD - MINUTE)
    assert await take(user, freed) == TAKEN
    await let_pass(database, freed, 2 * MINUTE)
    assert await take(user, freed) == (202, None)


@pytest.mark.parametrize("held", [True, False])
async def test_of_eight_that_take_it_at_once_one_gets_it_when_it_may(
    user: SignedIn, freed: str, database: Database, held: bool
) -> None:
    if not held:
        await let_pass(database, freed, SLUG_HOLD + MINUTE)
    spellings = [freed, freed.replace("-", "_")] * 4
    answers = await asyncio.gather(*(take(user, spelling) for spelling in spellings))
    taken = [answer for answer in answers if answer != TAKEN]
    assert taken == ([] if held else [(202, None)])


async def test_who_waits_for_a_rename_does_not_slip_past_it(
    tenant: Tenant, factory: Factory, database: Database
) -> None:
    """By another rename: a new tenant would wait for the name of the schema first."""
    other = await factory.tenant(status=TenantStatus.READY)
    owner = await factory.member(other.slug, Role.OWNER)
    async with database.lobby() as lobby:
        await lobby.execute(
            update(Tenant)
            .where(col(Tenant.id) == tenant.id)
            .values(slug=f"s-{secrets.token_hex(6)}")
        )
        taker = asyncio.create_task(owner.patch("/tenant", {"slug": tenant.slug}))
        await background.eventually(lambda: background.somebody_waits_in(database))

    assert problem(await taker) == TAKEN


async def test_a_deletion_frees_it_when_the_grace_period_ends(
    user: SignedIn, tenant: Tenant, database: Database
) -> None:
    await move(database, tenant, TenantStatus.DELETING)
    assert await take(user, tenant.slug) == TAKEN
    await move(database, tenant, TenantStatus.DELETED)
    assert await take(user, tenant.slug) == TAKEN
    await let_pass(database, tenant.slug, SLUG_HOLD + MINUTE)
    assert await take(user, tenant.slug) == (202, None)


async def test_a_tenant_that_was_never_opened_holds_nothing_back(
    user: SignedIn, factory: Factory, database: Database
) -> None:
    pending = await factory.tenant(status=TenantStatus.PENDING)
    await move(database, pending, TenantStatus.DELETED)
    assert await take(user, pending.slug) == (202, None)


@pytest.mark.parametrize("setting", ["access_ttl", "assumed_ttl"])
def test_no_token_outlives_the_hold(settings: Settings, setting: str) -> None:
    values = {"keys": settings.auth.keys, "active_kid": settings.auth.active_kid}
    day = timedelta(days=1)
    longest = TokenSettings.model_validate({**values, setting: day})
    assert getattr(longest, setting) + longest.clock_skew < SLUG_HOLD
    with pytest.raises(ValidationError, match="less than or equal to 1 day"):
        TokenSettings.model_validate({**values, setting: day + timedelta(seconds=1)})


async def test_the_clean_up_forgets_what_is_no_longer_held(
    freed: str, factory: Factory, database: Database, settings: Settings
) -> None:
    other = await factory.tenant(status=TenantStatus.READY)
    await move(database, other, TenantStatus.DELETING, TenantStatus.DELETED)
    await let_pass(database, freed, SLUG_HOLD + MINUTE)
    await CleanUp(database, settings.tenants).run()
    async with database.lobby() as lobby:
        names = await lobby.scalars(select(col(FreedSlug.name)))
    assert freed.replace("-", "_") not in names
    assert other.slug.replace("-", "_") in names
