"""No route lets a token into a tenant that it is not for, whatever the request names."""

from app.core.roles import Role
from tests.factories import Factory
from tests.test_isolation import OF_TENANTS, refused

MISMATCH = dict.fromkeys(OF_TENANTS, "/problems/tenant-mismatch")


async def test_the_owner_of_another_tenant(factory: Factory) -> None:
    owner = await factory.member("globex", Role.OWNER)
    for tenant in ("acme", str((await factory.find_tenant("acme")).id)):
        assert {name: await refused(owner, name, tenant) for name in OF_TENANTS} == MISMATCH


async def test_a_lobby_token(factory: Factory) -> None:
    user = await factory.user()
    await factory.join(user, "acme", Role.OWNER)
    lobby = await factory.sign_in(user)
    assert {name: await refused(lobby, name, "acme") for name in OF_TENANTS} == MISMATCH
