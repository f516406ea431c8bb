"""What has to be true of the database afterwards, whatever the clients were told."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from app.core.db import tenancy
from faults.ledger import Founded, Ledger, Written

_FINAL: Final = ("ready", "deleted")

_OPEN: Final = "SELECT count(*) FROM public.workflow_executions WHERE finished_at IS NULL"
_UNFINISHED: Final = """
SELECT format('open: %s %s for %s s', kind, status, round(extract(epoch FROM now() - created_at)))
FROM public.workflow_executions WHERE finished_at IS NULL ORDER BY created_at
"""
_WAITING: Final = """
SELECT format('waiting: %s', left(waiting.query, 200))
    || coalesce(format(', behind %s: %s', holder.state, left(holder.query, 200)), '')
FROM pg_stat_activity waiting
LEFT JOIN pg_stat_activity holder ON holder.pid = ANY(pg_blocking_pids(waiting.pid))
WHERE waiting.wait_event_type = 'Lock'
"""
_FAILED: Final = """
SELECT kind || ': ' || error FROM public.workflow_executions WHERE status = 'failed'
"""
_WELCOMED: Final = """
SELECT count(*) FROM public.workflow_executions
WHERE tenant_id = $1 AND kind = 'send_email' AND payload ->> 'mail' = 'welcome'
"""
_ACTIONS: Final = """
SELECT action FROM public.audit_logs WHERE tenant_id = $1 AND entity_type = 'tenant'
"""
_PROJECT_AUDITS: Final = """
SELECT entity_id, action, after FROM public.audit_logs
WHERE tenant_id = $1 AND entity_type = 'project' ORDER BY occurred_at, id
"""


@dataclass(slots=True)
class Findings:
    """What is wrong; each line names one thing."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged, and not there; or a request for background work that nothing came of."""
    half_done: list[str] = field(default_factory=list)
    """A change without its audit row or the other way round, a schema without its tenant."""
    done_twice: list[str] = field(default_factory=list)
    """Background work that took effect more than once."""
    stuck: list[str] = field(default_factory=list)
    """What waits for a person."""
    unanswered: int = 0
    """Changes that were made, and whose client was not told: allowed."""

    def all(self) -> list[str]:
        """Return every line."""
        return [
            f"{kind}: {line}"
            for kind in ("lost", "half_done", "done_twice", "stuck")
            for line in getattr(self, kind)
        ]


async def is_settled(connection: asyncpg.Connection) -> bool:
    """Tell whether no background work is left to do."""
    return not await connection.fetchval(_OPEN)


async def unfinished(connection: asyncpg.Connection) -> list[str]:
    """Return the background work that is open, and who waits for whose locks."""
    rows = [*await connection.fetch(_UNFINISHED), *await connection.fetch(_WAITING)]
    return [row[0] for row in rows]


async def examine(connection: asyncpg.Connection, ledger: Ledger) -> Findings:
    """Compare the database with what clients were told, and with itself."""
    findings = Findings()
    tenants = {row["slug"]: row for row in await connection.fetch("SELECT * FROM public.tenants")}
    for founded in ledger.tenants:
        findings.lost += _lost_tenant(founded, tenants.get(founded.slug))
    schemas = await _names(connection, "SELECT nspname FROM pg_namespace")
    roles = await _names(connection, "SELECT rolname FROM pg_roles")
    for row in tenants.values():
        await _examine_tenant(connection, row, schemas, roles, findings)
        if row["status"] == "ready":
            own = [project for project in ledger.projects if project.tenant == row["slug"]]
            await _examine_projects(connection, row, own, findings)
    for row in await connection.fetch(_FAILED):
        findings.stuck.append(row[0])
    if left := await connection.fetchval(_OPEN):
        findings.lost.append(f"{left} requests for background work are still open")
    return findings


async def _names(connection: asyncpg.Connection, query: str) -> set[str]:
    return {row[0] for row in await connection.fetch(query)}


def _lost_tenant(founded: Founded, row: Any) -> Iterator[str]:
    if row is None:
        if founded.acknowledged:
            yield f"tenant {founded.slug} was acknowledged and does not exist"
    elif founded.deleted and row["status"] != "deleted":
        yield f"tenant {founded.slug} was to be deleted and is {row['status']}"


async def _examine_tenant(
    connection: asyncpg.Connection, row: Any, schemas: set[str], roles: set[str], findings: Findings
) -> None:
    slug, status = row["slug"], row["status"]
    made = (row["schema_name"] in schemas, row["role_name"] in roles)
    if status not in _FINAL:
        findings.stuck.append(f"tenant {slug} is {status}")
    elif made != (status == "ready",) * 2:
        findings.half_done.append(f"tenant {slug} is {status}; schema and role say otherwise")
    actions = Counter(r["action"] for r in await connection.fetch(_ACTIONS, row["id"]))
    for action, count in actions.items():
        if count > 1:
            findings.done_twice.append(f"{action} of {slug}, {count} times")
    if actions and bool(actions["tenant.deleted"]) != (status == "deleted"):
        findings.half_done.append(f"tenant {slug} is {status}; its audit rows say {dict(actions)}")
    welcomed = await connection.fetchval(_WELCOMED, row["id"])
    if welcomed > 1:
        findings.done_twice.append(f"the owner of {slug} was welcomed {welcomed} times")
    if actions["tenant.provisioned"] and not welcomed:
        findings.lost.append(f"the owner of {slug} was never welcomed")


async def _examine_projects(
    connection: asyncpg.Connection, tenant: Any, known: list[Written], findings: Findings
) -> None:
    schema = tenancy.quoted(tenant["schema_name"])
    rows = await connection.fetch(f"SELECT * FROM {schema}.projects")  # noqa: S608  a name of ours
    there = {str(row["id"]): row for row in rows}
    by_name = {row["name"]: row for row in rows}
    audited = await _as_audited(connection, tenant["id"], findings)
    for id in there.keys() ^ audited.keys():
        where = "without an audit row" if id in there else "in the audit trail alone"
        findings.half_done.append(f"project {id} of {tenant['slug']} is {where}")
    for id in there.keys() & audited.keys():
        if there[id]["description"] != audited[id]:
            findings.half_done.append(f"project {id} differs from its last audit row")
    for project in known:
        findings.lost += _lost_project(project, by_name.get(project.name))
        findings.unanswered += project.id is None and project.name in by_name


async def _as_audited(
    connection: asyncpg.Connection, tenant_id: Any, findings: Findings
) -> dict[str, str | None]:
    described: dict[str, str | None] = {}
    for row in await connection.fetch(_PROJECT_AUDITS, tenant_id):
        if row["action"] == "project.deleted":
            described.pop(row["entity_id"], None)
        else:
            if row["action"] == "project.created" and row["entity_id"] in described:
                findings.done_twice.append(f"project.created of {row['entity_id']}")
            described[row["entity_id"]] = json.loads(row["after"])["description"]
    return described


def _lost_project(project: Written, row: Any) -> Iterator[str]:
    if row is None:
        if project.id is not None and project.deleted is False:
            yield f"project {project.id} of {project.tenant} was acknowledged and is gone"
    elif project.deleted:
        yield f"the deletion of project {project.id} of {project.tenant}"
    elif project.id is not None and row["description"] not in project.descriptions:
        yield f"a change of project {project.id} of {project.tenant}"
