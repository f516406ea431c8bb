"""What is changed behind the service's back holds at the next request: no tenant data is answered from memory."""

import asyncpg

from app.core.identifiers import uuid7
from tests.factories import Factory

PROMOTED = "UPDATE public.user_tenant_membership SET role = 'admin' WHERE user_id = $1"
REMOVED = "DELETE FROM public.user_tenant_membership WHERE user_id = $1"
REVOKED = "UPDATE public.refresh_tokens SET revoked_at = now() WHERE family_id = $1"


async def test_raw_sql_shows_in_the_next_answer(
    factory: Factory, owner_connection: asyncpg.Connection
) -> None:
    member = await factory.member("acme")
    project = (await member.post("/projects", {"name": str(uuid7())})).json()
    path, renamed = f"/projects/{project['id']}", str(uuid7())
    # Twice, so that whatever would remember it has seen it.
    for _ in range(2):
        assert (await member.get(path)).json()["name"] == project["name"]
        assert (await member.get("/audit-logs")).status_code == 403

    await owner_connection.execute(
        "UPDATE tenant_acme.projects SET name = $1 WHERE id = $2", renamed, project["id"]
    )
    assert (await member.get(path)).json()["name"] == renamed
    listed = (await member.get("/projects?limit=100")).json()["items"]
    assert renamed in {item["name"] for item in listed}

    for statement, id, status in (
        (PROMOTED, member.user_id, 200),
        (REMOVED, member.user_id, 404),
        (REVOKED, member.session_id, 401),
    ):
        await owner_connection.execute(statement, id)
        assert (await member.get("/audit-logs")).status_code == status
