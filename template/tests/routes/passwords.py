"""What the routes of registration, login and passwords admit, need and cost."""

import secrets
from typing import Any, Final

from tests.mailbox import Mailbox
from tests.routes import shared
from tests.routes.access import OPTIONAL, PUBLIC, USER, Access, in_person
from tests.routes.budgets import Budget
from tests.routes.requests import Asked, Prepare, World
from tests.sign_in.password import PASSWORD

NEW_PASSWORD: Final = "another horse, another battery"

ACCESS: Final[dict[str, Access]] = {
    "register": PUBLIC,
    "verify_email": PUBLIC,
    "look_up_registration": PUBLIC,
    "resend_verification": PUBLIC,
    "forgot_password": PUBLIC,
    "reset_password": PUBLIC,
    "login": PUBLIC,
    "accept_invite": in_person(OPTIONAL),
    "change_password": in_person(USER),
    "/verify-email": PUBLIC,
    "/reset-password": PUBLIC,
    "/accept-invite": PUBLIC,
}

# Hashing takes its time between two transactions, and holds no connection (ADR 0014).
BUDGETS: Final[dict[str, Budget]] = {
    "register": Budget(trips=12, statements=12),
    # The first proof also ends other registrations.
    "verify_email": Budget(trips=12, statements=12),
    "resend_verification": Budget(trips=7, statements=7),
    "reset_password": Budget(trips=14, statements=14),
    "login": Budget(trips=9, statements=9),
    "refresh": Budget(trips=7, statements=7),
    "accept_invite": Budget(trips=25, statements=25),
    "change_password": Budget(trips=14, statements=15),
}

TOKENS_OF: Final = {"look_up_registration": "verify_email"}


async def register(world: World) -> Asked:
    unique = secrets.token_hex(6)
    body = {
        "email": f"{unique}@example.test",
        "password": PASSWORD,
        "full_name": "Ada Lovelace",
        "tenant_name": "Analytical Engines",
        "tenant_slug": f"r-{unique}",
    }
    return Asked(body=body)


async def verify_email(world: World) -> Asked:
    body: dict[str, Any] = (await register(world)).body
    (await world.client.post("/api/v1/auth/register", json=body)).raise_for_status()
    return Asked(body={"token": await Mailbox(world.components).token(body["email"])})


async def of_a_stranger(world: World) -> Asked:
    return Asked(body={"email": (await world.factory.user(verified=False)).email})


async def reset_password(world: World) -> Asked:
    asked = await of_a_stranger(world)
    (await world.client.post("/api/v1/auth/forgot-password", json=asked.body)).raise_for_status()
    token = await Mailbox(world.components).token(asked.body["email"])
    return Asked(body={"token": token, "new_password": NEW_PASSWORD})


async def login(world: World) -> Asked:
    owner = world.owner
    return Asked(body={"email": owner.email, "password": PASSWORD, "tenant": owner.tenant})


async def with_refresh_token(world: World) -> Asked:
    asked = await login(world)
    tokens = (await world.client.post("/api/v1/auth/login", json=asked.body)).raise_for_status()
    return Asked(body={"refresh_token": tokens.json()["refresh_token"]})


async def accept_invite(world: World) -> Asked:
    asked = await shared.look_up_invite(world)
    return Asked(body={**asked.body, "password": PASSWORD, "full_name": "Grace Hopper"})


async def change_password(world: World) -> Asked:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return Asked(body=body, caller=await world.factory.signed_in())


REQUESTS: Final[dict[str, Prepare]] = {
    "register": register,
    "verify_email": verify_email,
    "look_up_registration": verify_email,
    "resend_verification": of_a_stranger,
    "forgot_password": of_a_stranger,
    "reset_password": reset_password,
    "login": login,
    "refresh": with_refresh_token,
    "logout": with_refresh_token,
    "accept_invite": accept_invite,
    "change_password": change_password,
}
