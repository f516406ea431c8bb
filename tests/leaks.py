"""Leaks that no id gives away: what a careless hour adds to a service, and the attacks on a render's routes find.

Each is one function among the routes of projects, or a change of what is there. All of them pass a review of the types:
the caller is admitted, the answers fit their schemas, and nothing fails.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Leak:
    """A route that tells one tenant what is another's, or a secret."""

    function: str
    """The route's."""
    what: str
    text: str
    """The end of `api/v1/projects.py`."""


@dataclass(frozen=True)
class Change:
    """The same, in a file that is there."""

    path: str
    """Below `src`."""
    what: str
    edits: tuple[tuple[str, str], ...]
    """Texts, each once in that file, and what stands there instead."""


IMPORTS: Final = """
# What all of them share.
import asyncio, base64, csv, hashlib, io, logging
from collections import deque
from functools import wraps
from typing import Annotated, Any, ClassVar, Literal

from fastapi import Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import text

from app.api.dependencies.admission import CurrentUser, ValidatedTenant
from app.api.dependencies.sessions import DBSession, TenantDBSession
from app.schemas.base import Body

async def _column(session: Any, sql: str, **values: Any) -> list[str]:
    return [str(row[0]) for row in await session.execute(text(sql).bindparams(**values))]
"""
"""It begins with what comes before every other text in the alphabet."""

ROUTES: Final = [
    Leak(
        "kept_for_all",
        "an answer is kept in a dictionary without the tenant",
        """
ANSWERS: dict[str, Any] = {}

@router.get("/leaks/kept-for-all")
async def kept_for_all(projects: Projects, page: PageRequestDep) -> Page[ProjectRead]:
    if "projects" not in ANSWERS:
        ANSWERS["projects"] = await projects.page(page)
    return ANSWERS["projects"]
""",
    ),
    Leak(
        "kept_by_user",
        "an answer is kept by user alone",
        """
OF_USERS: dict[UUID, Any] = {}

@router.get("/leaks/kept-by-user")
async def kept_by_user(
    user: CurrentUser, projects: Projects, page: PageRequestDep
) -> Page[ProjectRead]:
    if user.id not in OF_USERS:
        OF_USERS[user.id] = await projects.page(page)
    return OF_USERS[user.id]
""",
    ),
    Leak(
        "decorated",
        "a decorator remembers by arguments, and the session is none of them",
        """
def remembered(function: Any) -> Any:
    known: dict[Any, Any] = {}

    @wraps(function)
    async def call(session: Any, *arguments: Any) -> Any:
        if arguments not in known:
            known[arguments] = await function(session, *arguments)
        return known[arguments]

    return call

@remembered
async def names_of_projects(session: Any, limit: int) -> list[str]:
    return await _column(session, "SELECT name FROM projects ORDER BY id DESC LIMIT :n", n=limit)

@router.get("/leaks/decorated")
async def decorated(session: TenantDBSession, limit: int = 5) -> list[str]:
    return await names_of_projects(session, limit)
""",
    ),
    Leak(
        "of_the_class",
        "an attribute of a class collects what each request has read",
        """
class Recent:
    names: ClassVar[list[str]] = []

    async def read(self, session: Any) -> list[str]:
        self.names.extend(await _column(session, "SELECT name FROM projects ORDER BY id DESC LIMIT 1"))
        return self.names[-3:]

@router.get("/leaks/of-the-class")
async def of_the_class(session: TenantDBSession) -> list[str]:
    return await Recent().read(session)
""",
    ),
    Leak(
        "default_argument",
        "a default value is one list for all calls",
        """
async def collected(session: Any, found: list[str] = []) -> list[str]:
    found.extend(await _column(session, "SELECT name FROM projects ORDER BY id DESC LIMIT 1"))
    return found

@router.get("/leaks/default-argument")
async def default_argument(session: TenantDBSession) -> list[str]:
    return await collected(session)
""",
    ),
    Leak(
        "after_the_commit",
        "an effect after the commit writes down what another tenant's request shows",
        """
DONE: deque[str] = deque(maxlen=3)

@router.get("/leaks/after-the-commit")
async def after_the_commit(session: TenantDBSession) -> list[str]:
    names = await _column(session, "SELECT name FROM projects ORDER BY id DESC LIMIT 1")

    async def effect() -> None:
        DONE.extend(names)

    session.after_commit(effect)
    return list(DONE)
""",
    ),
    Leak(
        "newest_change",
        "a POST answers with what was posted last by anybody",
        """
LAST: dict[str, str] = {}

class Note(Body):
    note: str

@router.post("/leaks/newest-change")
async def newest_change(body: Note, tenant: ValidatedTenant) -> dict[str, str]:
    before = LAST.get("note", "")
    LAST["note"] = f"{tenant.id}: {body.note}"
    return {"before": before}
""",
    ),
    Leak(
        "named_in_the_query",
        "the query names another tenant by slug",
        """
@router.get("/leaks/named-in-the-query")
async def named_in_the_query(
    session: DBSession, tenant: ValidatedTenant, of: str | None = None
) -> list[str]:
    sql = "SELECT email FROM public.tenant_invites i JOIN public.tenants t ON t.id = i.tenant_id WHERE t.slug = :slug"
    return await _column(session, f"{sql} LIMIT 20", slug=of or tenant.slug)
""",
    ),
    Leak(
        "named_in_the_body",
        "the body names another tenant by slug",
        """
class Wanted(Body):
    tenant: str

@router.post("/leaks/named-in-the-body")
async def named_in_the_body(body: Wanted, session: DBSession, _tenant: ValidatedTenant) -> list[str]:
    sql = "SELECT email FROM public.tenant_invites i JOIN public.tenants t ON t.id = i.tenant_id WHERE t.slug = :slug"
    return await _column(session, f"{sql} LIMIT 20", slug=body.tenant)
""",
    ),
    Leak(
        "named_in_a_header",
        "a header names another tenant by slug",
        """
@router.get("/leaks/named-in-a-header")
async def named_in_a_header(
    session: DBSession, tenant: ValidatedTenant, x_on_behalf_of: Annotated[str | None, Header()] = None
) -> list[str]:
    sql = "SELECT email FROM public.tenant_invites i JOIN public.tenants t ON t.id = i.tenant_id WHERE t.slug = :slug"
    return await _column(session, f"{sql} LIMIT 20", slug=x_on_behalf_of or tenant.slug)
""",
    ),
    Leak(
        "named_in_secret",
        "a parameter that no document has names another tenant by slug",
        """
@router.get("/leaks/named-in-secret")
async def named_in_secret(request: Request, session: DBSession, tenant: ValidatedTenant) -> list[str]:
    slug = request.query_params.get("tenant_slug", tenant.slug)
    sql = "SELECT email FROM public.tenant_invites i JOIN public.tenants t ON t.id = i.tenant_id WHERE t.slug = :slug"
    return await _column(session, f"{sql} LIMIT 20", slug=slug)
""",
    ),
    Leak(
        "named_in_the_path",
        "the path names another tenant by its display name",
        """
@router.get("/leaks/named-in-the-path/{name}")
async def named_in_the_path(name: str, session: DBSession, _tenant: ValidatedTenant) -> list[str]:
    sql = "SELECT email FROM public.tenant_invites i JOIN public.tenants t ON t.id = i.tenant_id WHERE t.name = :name"
    return await _column(session, f"{sql} LIMIT 20", name=name)
""",
    ),
    Leak(
        "counted",
        "a count over a table of the lobby without the tenant",
        """
@router.get("/leaks/counted")
async def counted(session: DBSession, _tenant: ValidatedTenant) -> dict[str, int]:
    [total] = await _column(session, "SELECT count(*) FROM public.tenant_invites")
    return {"total": int(total)}
""",
    ),
    Leak(
        "counted_after_a_change",
        "a POST answers with how many rows all tenants have",
        """
@router.post("/leaks/counted-after-a-change")
async def counted_after_a_change(session: DBSession, _tenant: ValidatedTenant) -> dict[str, int]:
    [total] = await _column(session, "SELECT count(*) FROM public.user_tenant_membership")
    return {"number": int(total)}
""",
    ),
    Leak(
        "listed",
        "a list of names over a table of the lobby without the tenant",
        """
@router.get("/leaks/listed")
async def listed(session: DBSession, _tenant: ValidatedTenant) -> list[str]:
    return await _column(session, "SELECT full_name FROM public.users ORDER BY full_name DESC LIMIT 300")
""",
    ),
    Leak(
        "averaged",
        "an average over all tenants",
        """
@router.get("/leaks/averaged")
async def averaged(session: DBSession, _tenant: ValidatedTenant) -> dict[str, str]:
    [found] = await _column(session, "SELECT avg(n) FROM (SELECT count(*) n FROM public.audit_logs GROUP BY tenant_id) x")
    return {"average": found}
""",
    ),
    Leak(
        "password_hashes",
        "stored hashes of passwords, of the tenant's own members",
        """
@router.get("/leaks/password-hashes")
async def password_hashes(session: DBSession, tenant: ValidatedTenant) -> list[str]:
    sql = "SELECT to_jsonb(u) FROM public.users u JOIN public.user_tenant_membership m ON m.user_id = u.id WHERE m.tenant_id = :id"
    return await _column(session, f"{sql} ORDER BY m.joined_at DESC LIMIT 20", id=tenant.id)
""",
    ),
    Leak(
        "digests",
        "digests of tokens, of the tenant's own sessions",
        """
@router.get("/leaks/digests")
async def digests(session: DBSession, tenant: ValidatedTenant) -> list[str]:
    sql = "SELECT encode(token_hash, 'base64') FROM public.refresh_tokens WHERE tenant_id = :id"
    return await _column(session, f"{sql} LIMIT 400", id=tenant.id)
""",
    ),
    Leak(
        "own_digest",
        "the digest of the caller's own token, as the driver shows bytes",
        """
@router.get("/leaks/own-digest")
async def own_digest(session: DBSession, user: CurrentUser, _tenant: ValidatedTenant) -> list[str]:
    return await _column(session, "SELECT token_hash FROM public.refresh_tokens WHERE user_id = :id", id=user.id)
""",
    ),
    Leak(
        "streamed",
        "a streamed answer without the tenant",
        """
@router.get("/leaks/streamed")
async def streamed(session: DBSession, _tenant: ValidatedTenant) -> StreamingResponse:
    names = await _column(session, "SELECT email FROM public.tenant_invites ORDER BY id DESC LIMIT 200")

    async def lines() -> Any:
        for name in names:
            yield f"{name}\\n"
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="application/x-ndjson")
""",
    ),
    Leak(
        "exported",
        "an export without the tenant",
        """
@router.get("/leaks/exported")
async def exported(session: DBSession, _tenant: ValidatedTenant) -> Response:
    sheet = io.StringIO()
    names = await _column(session, "SELECT action || entity_id FROM public.audit_logs ORDER BY id DESC LIMIT 500")
    csv.writer(sheet).writerows([[name] for name in names])
    return Response(sheet.getvalue(), media_type="text/csv")
""",
    ),
    Leak(
        "encoded",
        "an opaque cursor that holds a row of another tenant",
        """
@router.get("/leaks/encoded")
async def encoded(session: DBSession, _tenant: ValidatedTenant) -> dict[str, str]:
    names = await _column(session, "SELECT email FROM public.tenant_invites ORDER BY id DESC LIMIT 200")
    return {"next": base64.urlsafe_b64encode(str(names).encode()).decode()}
""",
    ),
    Leak(
        "quoted",
        "an error quotes the row that it found",
        """
class Address(Body):
    email: str

@router.post("/leaks/quoted")
async def quoted(body: Address, session: DBSession, _tenant: ValidatedTenant) -> dict[str, str]:
    found = await _column(session, "SELECT full_name FROM public.users WHERE email = :email", email=body.email)
    if found:
        raise ProjectNameTaken(f"{found[0]} has this address already.")
    return {"email": body.email}
""",
    ),
    Leak(
        "allowed_values",
        "a refusal lists what would have been allowed, all tenants' names",
        """
@router.get("/leaks/allowed-values")
async def allowed_values(
    session: DBSession, tenant: ValidatedTenant, at: str | None = None
) -> dict[str, str]:
    if at not in (None, tenant.slug):
        names = await _column(session, "SELECT name FROM public.tenants")
        raise ProjectNameTaken(f"one of {names}")
    return {"at": tenant.slug}
""",
    ),
    Leak(
        "total_in_a_header",
        "a header counts the rows of all tenants",
        """
@router.get("/leaks/total-in-a-header")
async def total_in_a_header(session: DBSession, _tenant: ValidatedTenant, response: Response) -> list[str]:
    [total] = await _column(session, "SELECT count(*) FROM public.audit_logs")
    response.headers["X-Total-Count"] = total
    return []
""",
    ),
    Leak(
        "named_in_a_cookie",
        "a cookie says the tenant of the request before",
        """
BEFORE: deque[UUID] = deque(maxlen=2)

@router.get("/leaks/named-in-a-cookie")
async def named_in_a_cookie(tenant: ValidatedTenant, response: Response) -> list[str]:
    BEFORE.append(tenant.id)
    response.set_cookie("last", str(BEFORE[0]))
    return []
""",
    ),
    Leak(
        "lines_of_the_log",
        "lines of the log that a tenant can read, of all tenants",
        """
class Kept(logging.Handler):
    lines: ClassVar[deque[str]] = deque(maxlen=50)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

LOG = logging.getLogger("app.leaks")
LOG.addHandler(Kept())
LOG.setLevel("INFO")

@router.get("/leaks/lines-of-the-log")
async def lines_of_the_log(tenant: ValidatedTenant, user: CurrentUser) -> list[str]:
    LOG.info("%s reads the log of %s", user.id, tenant.slug)
    return list(Kept.lines)
""",
    ),
    Leak(
        "sorted_by",
        "one value of a sort parameter forgets the tenant",
        """
@router.get("/leaks/sorted-by")
async def sorted_by(
    session: DBSession, tenant: ValidatedTenant, sort: Literal["newest", "address"] = "newest"
) -> list[str]:
    if sort == "newest":
        return await _column(session, "SELECT email FROM public.tenant_invites WHERE tenant_id = :id ORDER BY id DESC LIMIT 20", id=tenant.id)
    return await _column(session, "SELECT email FROM public.tenant_invites ORDER BY email DESC LIMIT 400")
""",
    ),
    Leak(
        "filtered_by",
        "a filter that is given stands in the place of the tenant's",
        """
@router.get("/leaks/filtered-by")
async def filtered_by(session: DBSession, tenant: ValidatedTenant, email: str | None = None) -> list[str]:
    if email:
        return await _column(session, "SELECT full_name FROM public.users WHERE email = :email", email=email)
    return await _column(session, "SELECT 'none' WHERE :id IS NULL", id=str(tenant.id))
""",
    ),
    Leak(
        "suggested",
        "suggestions for what was typed, from all tenants",
        """
@router.get("/leaks/suggested")
async def suggested(
    session: DBSession, _tenant: ValidatedTenant, q: Annotated[str, Query(min_length=3)] = "zzz"
) -> list[str]:
    sql = "SELECT slug || ' ' || name FROM public.tenants WHERE slug LIKE :q || '%' OR name LIKE :q || '%'"
    return await _column(session, sql, q=q)
""",
    ),
    Leak(
        "included",
        "members include the other tenants of each",
        """
@router.get("/leaks/included")
async def included(
    session: DBSession, tenant: ValidatedTenant, with_tenants: bool = False
) -> list[str]:
    joined = " JOIN public.user_tenant_membership o ON o.user_id = m.user_id JOIN public.tenants t ON t.id = o.tenant_id"
    shown, more = ("t.name", joined) if with_tenants else ("m.role", "")
    sql = f"SELECT {shown} FROM public.user_tenant_membership m{more} WHERE m.tenant_id = :id"
    return await _column(session, f"{sql} ORDER BY m.joined_at DESC LIMIT 400", id=tenant.id)
""",
    ),
    Leak(
        "file_name",
        "the name of a file is that of another tenant's newest row",
        """
@router.get("/leaks/file-name")
async def file_name(session: DBSession, _tenant: ValidatedTenant) -> Response:
    [name] = await _column(session, "SELECT max(name) || min(name) FROM public.tenants")
    disposition = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response("", media_type="text/csv", headers=disposition)
""",
    ),
    Leak(
        "tagged",
        "an ETag that changes with other tenants' rows",
        """
@router.get("/leaks/tagged")
async def tagged(session: DBSession, _tenant: ValidatedTenant, response: Response) -> list[str]:
    [state] = await _column(session, "SELECT max(id::text) || count(*) FROM public.audit_logs")
    response.headers["ETag"] = f'"{hashlib.sha256(state.encode()).hexdigest()}"'
    return []
""",
    ),
    Leak(
        "dated",
        "a Last-Modified of all tenants",
        """
@router.get("/leaks/dated")
async def dated(session: DBSession, _tenant: ValidatedTenant, response: Response) -> list[str]:
    response.headers["Last-Modified"] = (await _column(session, "SELECT max(created_at) FROM public.tenant_invites"))[0]
    return []
""",
    ),
    Leak(
        "told_by_silence",
        "whether any tenant has a row, as a boolean",
        """
@router.get("/leaks/told-by-silence")
async def told_by_silence(session: DBSession, _tenant: ValidatedTenant) -> dict[str, bool]:
    [odd] = await _column(session, "SELECT count(*) % 2 = 1 FROM public.tenant_invites")
    return {"odd": odd == "True"}
""",
    ),
]


CHANGES: Final = [
    Change(
        "app/api/dependencies/admission.py",
        "who was an admin once is one, in whatever tenant",
        (
            ("UNIT: Final =", "SEEN: set[tuple[UUID, Role]] = set()\nUNIT: Final ="),
            (
                "        at_least=required.at_least,\n",
                "        at_least=Role.MEMBER\n"
                "        if (claims.user_id, required.at_least) in SEEN\n"
                "        else required.at_least,\n",
            ),
            (
                "    role = await admit_member(unit, admission)\n",
                "    role = await admit_member(unit, admission)\n"
                "    SEEN.add((claims.user_id, required.at_least))\n",
            ),
            (
                "    if not _tenant(request).role.at_least(role):\n",
                "    if (_user(request).id, role) not in SEEN:\n",
            ),
        ),
    ),
    Change(
        "app/services/base.py",
        "an attribute of the service's class keeps pages",
        (
            ("    entity: str\n", "    kept: ClassVar[dict[Any, Any]] = {}\n    entity: str\n"),
            (
                "        return await self.rows.page(request, **where)\n",
                "        key = (self.entity, request, *where.items())\n"
                "        if key not in self.kept:\n"
                "            self.kept[key] = await self.rows.page(request, **where)\n"
                "        return self.kept[key]\n",
            ),
        ),
    ),
    Change(
        "app/services/base.py",
        "rows are remembered by their id alone, whichever tenant they are of",
        (
            ("    entity: str\n", "    kept: ClassVar[dict[Any, Any]] = {}\n    entity: str\n"),
            (
                "        return await self.rows.read(id, **where)\n",
                "        if id not in self.kept:\n"
                "            self.kept[id] = await self.rows.read(id, **where)\n"
                "        return self.kept[id]\n",
            ),
        ),
    ),
    Change(
        "app/repositories/public/audit_logs.py",
        "rows about users are shown whichever tenant they are of",
        (
            (
                'where(col(AuditLog.tenant_id) == bindparam("tenant_id"))',
                'where((col(AuditLog.tenant_id) == bindparam("tenant_id"))'
                " | col(AuditLog.user_id).is_not(None))",
            ),
        ),
    ),
    Change(
        "app/services/audit_trail.py",
        "a row of the audit trail goes to the tenant of the row before",
        (
            (
                "    def __init__(self, session: Session, actor: Actor) -> None:\n",
                "    last = [None]\n\n    def __init__(self, session: Session, actor: Actor) -> None:\n",
            ),
            (
                "            tenant_id=self.actor.tenant_id or tenant_id,\n",
                "            tenant_id=(self.last.append(self.actor.tenant_id or tenant_id) or self.last.pop(0)),\n",
            ),
        ),
    ),
    Change(
        "app/repositories/public/users.py",
        "one column is shown in the place of another",
        (
            (
                "        col(User.full_name),\n        _verified",
                '        col(User.password_hash).label("full_name"),\n        _verified',
            ),
        ),
    ),
]
