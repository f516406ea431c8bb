"""What the routes of the identity provider admit, need and cost."""

import secrets
from typing import Final
from urllib.parse import parse_qs, urlsplit

from app.core.oidc.identity_provider import challenge_of
from tests.provider import Issuer, address, outside, person
from tests.routes.access import PUBLIC, Access
from tests.routes.budgets import Budget
from tests.routes.requests import Asked, Prepare, World

AUTH: Final = "/api/v1/auth/oidc"

ACCESS: Final[dict[str, Access]] = {
    "begin_sign_in": PUBLIC,
    "finish_sign_in": PUBLIC,
    "redeem_sign_in": PUBLIC,
    "exchange_token": PUBLIC,
    "leave_provider": PUBLIC,
    "/signed-in": PUBLIC,
    "/pages/provider.js": PUBLIC,
}

# The provider is waited for between transactions: before the first one, no connection is taken.
BUDGETS: Final[dict[str, Budget]] = {
    "begin_sign_in": Budget(trips=0, statements=0),
    "leave_provider": Budget(trips=0, statements=0),
    # Of somebody who is new here.
    "finish_sign_in": Budget(trips=14, statements=14),
    "exchange_token": Budget(trips=13, statements=13),
    "redeem_sign_in": Budget(trips=6, statements=6),
}


async def came_back(world: World, **query: str) -> Asked:
    """Sign somebody in at the provider, up to the request that it sends the browser back with."""
    begun = await world.client.get(f"{AUTH}/start", params={"login_hint": address(), **query})
    async with outside() as browser:
        approved = await browser.get(begun.headers["location"])
        back = await browser.get(approved.headers["location"])
    answer = parse_qs(urlsplit(back.headers["location"]).query)
    return Asked(query={name: values[0] for name, values in answer.items()})


async def finish_sign_in(world: World) -> Asked:
    return await came_back(world)


async def redeem_sign_in(world: World) -> Asked:
    verifier = secrets.token_urlsafe(32)
    asked = await came_back(world, return_to="/", code_challenge=challenge_of(verifier))
    finished = await world.client.get(f"{AUTH}/callback", params=asked.query)
    code = parse_qs(urlsplit(finished.headers["location"]).query)["code"][0]
    return Asked(body={"code": code, "code_verifier": verifier})


async def exchange_token(world: World) -> Asked:
    issuer = Issuer(world.components.settings.oidc.issuer)
    return Asked(body={"access_token": await issuer.token(**person(address()))})


REQUESTS: Final[dict[str, Prepare]] = {
    "finish_sign_in": finish_sign_in,
    "redeem_sign_in": redeem_sign_in,
    "exchange_token": exchange_token,
}
