"""The tenant named in the path."""

import httpx
import pytest
from fastapi import FastAPI

from app.api.context.tenant_path import TenantStrategy
from app.core.roles import Role
from tests.factories import Factory


def test_the_segment_is_the_name() -> None:
    assert TenantStrategy().name_of({"path_params": {"tenant": "acme"}}) == "acme"
    assert TenantStrategy().name_of({"path_params": {}}) is None


async def test_routes_of_tenants_are_below_the_tenant(factory: Factory) -> None:
    member = await factory.member("acme")
    headers = {"Authorization": f"Bearer {member.token}"}
    answer = await member.client.get("/t/acme/api/v1/projects", headers=headers)
    assert answer.status_code == 200
    refused = await member.client.get("/t/globex/api/v1/projects", headers=headers)
    assert refused.json()["type"] == "/problems/tenant-mismatch"
    assert refused.json()["instance"] == "/t/globex/api/v1/projects"
    bare = await member.client.get("/api/v1/projects", headers=headers)
    assert (bare.status_code, bare.json()["type"]) == (400, "/problems/tenant-required")
    assert "/t/{tenant}" in bare.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/t/acme/api/v1/users/me",
        "/t/acme/api/v1/auth/refresh",
        "/t//api/v1/projects",
        "/t/acme",
        "/t/acme/api/v1",
        "/t/acme/globex/api/v1/projects",
        "/t/acme%2Fglobex/api/v1/projects",
        "/t/acme/health/live",
    ],
)
async def test_nothing_else_is_below_the_tenant(factory: Factory, path: str) -> None:
    member = await factory.member("acme")
    headers = {"Authorization": f"Bearer {member.token}"}
    assert (await member.client.get(path, headers=headers)).status_code == 404


async def test_a_route_with_ids_keeps_them_apart_from_the_tenant(factory: Factory) -> None:
    owner = await factory.member("acme", Role.OWNER)
    headers = {"Authorization": f"Bearer {owner.token}"}
    made = await owner.client.post(
        "/t/acme/api/v1/projects", json={"name": f"p-{owner.user_id}"}, headers=headers
    )
    assert made.status_code == 201, made.text
    path = f"/t/acme/api/v1/projects/{made.json()['id']}"
    assert (await owner.client.get(path, headers=headers)).json() == made.json()


async def test_a_wrong_method_is_told_the_right_ones(client: httpx.AsyncClient) -> None:
    answer = await client.put("/t/acme/api/v1/projects")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_openapi_has_the_tenant_in_the_paths_of_tenants_alone(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    operation = paths["/t/{tenant}/api/v1/projects/{project_id}"]["get"]
    assert [each["name"] for each in operation["parameters"]] == ["tenant", "project_id"]
    assert "/api/v1/projects" not in paths
    assert "/api/v1/users/me" in paths
    assert {path.startswith("/t/{tenant}/api/v1/") for path in paths if "{tenant}" in path} == {
        True
    }
