"""The access token says the tenant."""

from fastapi import FastAPI

from app.core.roles import Role
from tests.factories import Factory, SignedIn


async def names_of(caller: SignedIn, **headers: str) -> list[str]:
    answer = await caller.get("/projects", headers=headers)
    assert answer.status_code == 200, answer.text
    return [project["name"] for project in answer.json()["items"]]


async def test_nothing_in_a_request_moves_a_token_to_another_tenant(factory: Factory) -> None:
    user = await factory.user()
    await factory.join(user, "acme")
    await factory.join(user, "globex")
    acme = await factory.sign_in(user, "acme", Role.MEMBER)
    globex = await factory.sign_in(user, "globex", Role.MEMBER)
    name = f"only acme's {user.id}"
    made = await acme.post("/projects", {"name": name})
    assert made.status_code == 201, made.text
    assert name in await names_of(acme)
    for headers in ({}, {"X-Tenant": "acme"}, {"Host": "acme.testserver"}):
        assert name not in await names_of(globex, **headers)
        found = await globex.get(f"/projects/{made.json()['id']}", headers=headers)
        assert (found.status_code, found.json()["type"]) == (404, "/problems/not-found")


async def test_login_and_switch_name_the_tenant_in_the_body(factory: Factory) -> None:
    member = await factory.member("acme")
    globex = await factory.user()
    answer = await member.post("/auth/switch-tenant", {"tenant": "acme"})
    tokens = answer.json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await member.client.get("/api/v1/tenant", headers=headers)).json()["slug"] == "acme"
    refusal = await (await factory.sign_in(globex)).post("/auth/switch-tenant", {"tenant": "acme"})
    assert refusal.json()["type"] == "/problems/tenant-not-found"


def test_openapi_says_that_the_token_is_of_a_tenant(app: FastAPI) -> None:
    document = app.openapi()
    assert "parameters" not in document["paths"]["/api/v1/projects"]["post"]
    scheme = document["components"]["securitySchemes"]["HTTPBearer"]
    assert "which one" in scheme["description"]
