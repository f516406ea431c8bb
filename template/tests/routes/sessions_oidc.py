"""What the routes of sessions and invites admit, need and cost where everybody comes through the identity provider."""

from typing import Final

from tests.provider import address
from tests.routes import provider, shared
from tests.routes.access import PUBLIC, USER, Access, in_person
from tests.routes.budgets import Budget
from tests.routes.requests import Asked, Prepare, World

ACCESS: Final[dict[str, Access]] = {
    "accept_invite": in_person(USER),
    "/accept-invite": PUBLIC,
}
BUDGETS: Final[dict[str, Budget]] = {
    "refresh": Budget(trips=7, statements=7),
    "accept_invite": Budget(trips=18, statements=19),
}


async def with_refresh_token(world: World) -> Asked:
    asked = await provider.exchange_token(world)
    tokens = await world.client.post(f"{provider.AUTH}/exchange", json=asked.body)
    return Asked(body={"refresh_token": tokens.raise_for_status().json()["refresh_token"]})


async def accept_invite(world: World) -> Asked:
    email = address()
    asked = await shared.look_up_invite(world, email)
    user = await world.factory.user(email)
    return Asked(body=asked.body, caller=await world.factory.sign_in(user))


REQUESTS: Final[dict[str, Prepare]] = {
    "refresh": with_refresh_token,
    "logout": with_refresh_token,
    "accept_invite": accept_invite,
}
