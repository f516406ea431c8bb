"""Projects through the API, as two tenants."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.core.db.database import Database
from app.core.identifiers import uuid7
from app.core.roles import Role
from app.models.public.audit_logs import AuditLog
from tests.factories import Factory, SignedIn


@pytest.fixture
async def member(factory: Factory) -> SignedIn:
    """A member of acme."""
    return await factory.member("acme")


def name() -> str:
    return f"Project {uuid7()}"


async def created(member: SignedIn) -> UUID:
    answer = await member.post("/projects", {"name": name()})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def test_a_project_is_created_read_changed_and_deleted(member: SignedIn) -> None:
    wanted = {"name": name(), "description": "What it is for"}
    project = (await member.post("/projects", wanted)).json()
    assert {key: project[key] for key in wanted} == wanted
    assert project["created_by"] == str(member.user_id)
    path = f"/projects/{project['id']}"
    assert (await member.get(path)).json() == project
    renamed = (await member.patch(path, {"name": f"{wanted['name']} 2"})).json()
    assert renamed["name"] == f"{wanted['name']} 2"
    assert renamed["description"] == wanted["description"]
    assert renamed["updated_at"] > project["updated_at"]
    assert (await member.delete(path)).status_code == 204
    assert (await member.get(path)).json()["type"] == "/problems/not-found"


async def test_what_changes_nothing_leaves_no_trace(member: SignedIn, database: Database) -> None:
    project = (await member.post("/projects", {"name": name()})).json()
    for body in ({}, {"name": project["name"]}):
        assert (await member.patch(f"/projects/{project['id']}", body)).json() == project
    async with database.lobby() as lobby:
        trail = select(col(AuditLog.action)).where(col(AuditLog.entity_id) == project["id"])
        assert await lobby.scalars(trail) == ["project.created"]


async def test_one_of_eight_simultaneous_creates_wins(member: SignedIn) -> None:
    body = {"name": name()}
    answers = await asyncio.gather(*(member.post("/projects", body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["type"] == "/problems/project-name-taken"


async def test_pages_follow_each_other_without_gap_or_repeat(factory: Factory) -> None:
    member = await factory.member("globex")
    ids = [str(await created(member)) for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while not set(ids) <= set(seen):
        answer = await member.get(
            "/projects", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        page = answer.json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [id for id in seen if id in ids] == ids[::-1]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=101", "/query/limit"),
        ("limit=x", "/query/limit"),
        ("cursor=x", "/query/cursor"),
        ("cursor=%00", "/query/cursor"),
        ("cursor=" + "A" * 5000, "/query/cursor"),
        ("cursor=_____________________________", "/query/cursor"),
        ("cursor=f_____________________________w", "/query/cursor"),
    ],
)
async def test_a_wrong_page_is_refused(member: SignedIn, query: str, pointer: str) -> None:
    answer = await member.get(f"/projects?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 201},
        {"name": "nul \x00"},
        {"name": "a\x1b[2Jb"},
        {"name": "a\u2028b"},
        {"name": "a\u2066b"},
        {"name": 7},
        {"name": None},
        {"name": "x", "description": "nul \x00"},
        {"name": "x", "created_by": "00000000-0000-7000-8000-000000000000"},
        [],
        "name",
    ],
)
async def test_a_wrong_body_is_refused(member: SignedIn, body: object) -> None:
    answer = await member.post("/projects", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "/problems/invalid-request"
    assert answer.json()["errors"]


async def test_half_a_surrogate_pair_is_refused(member: SignedIn) -> None:
    content = rb'{"name": "lone \ud800"}'
    answer = await member.call(
        "POST", "/projects", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text


async def test_a_member_changes_own_projects_alone(member: SignedIn, factory: Factory) -> None:
    path = f"/projects/{await created(member)}"
    other = await factory.member("acme")
    for answer in (await other.patch(path, {"name": name()}), await other.delete(path)):
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/role-required"
    admin = await factory.member("acme", Role.ADMIN)
    assert (await admin.patch(path, {"name": name()})).status_code == 200
    assert (await admin.delete(path)).status_code == 204


async def test_explicit_null_clears_what_may_be_empty(member: SignedIn) -> None:
    project = (await member.post("/projects", {"name": name(), "description": "x"})).json()
    path = f"/projects/{project['id']}"
    assert (await member.patch(path, {"description": None})).json()["description"] is None
    assert (await member.patch(path, {"name": None})).status_code == 422


async def test_tasks_are_of_their_project_alone(member: SignedIn) -> None:
    project, other = await created(member), await created(member)
    tasks = f"/projects/{project}/tasks"
    task = (await member.post(tasks, {"title": "Order birdseed"})).json()
    assert (task["project_id"], task["title"]) == (str(project), "Order birdseed")
    assert (await member.get(tasks)).json() == {"items": [task], "next_cursor": None}
    assert (await member.get(f"/projects/{other}/tasks")).json()["items"] == []
    assert (await member.delete(f"/projects/{other}/tasks/{task['id']}")).status_code == 404
    assert (await member.delete(f"{tasks}/{task['id']}")).status_code == 204
    assert (await member.get(tasks)).json()["items"] == []


async def test_no_project_has_no_tasks(member: SignedIn, factory: Factory) -> None:
    of_globex = await created(await factory.member("globex"))
    for id in (uuid7(), of_globex):
        path = f"/projects/{id}/tasks"
        for answer in (await member.get(path), await member.post(path, {"title": "x"})):
            assert answer.json()["type"] == "/problems/not-found"


async def test_a_project_with_tasks_is_not_deleted(member: SignedIn) -> None:
    path = f"/projects/{await created(member)}"
    task = (await member.post(f"{path}/tasks", {"title": "Oil the spring"})).json()
    refused = await member.delete(path)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/project-has-tasks")
    assert (await member.delete(f"{path}/tasks/{task['id']}")).status_code == 204
    assert (await member.delete(path)).status_code == 204
