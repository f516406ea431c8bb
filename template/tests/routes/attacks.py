"""What is tried on each route, and how it has to be refused.

Each attack is a request that succeeds, changed in one thing: its token, the tenant that it names, its caller's role, or
an id in it.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import httpx
from fastapi.dependencies.models import Dependant
from pydantic import TypeAdapter

from app.api.dependencies.requirements import Requirement
from app.core.roles import Role
from app.core.security.access_tokens import AccessClaims
from tests.factories import SignedIn
from tests.routes.intruders import CLOSED, Intruders, Refusal, wrong_tokens
from tests.routes.requests import Call, World, schema_of
from tests.sending import TENANT_IS_NAMED

UNAUTHENTICATED: Final = (401, "unauthenticated")
NO_TENANT: Final = (400, "tenant-required")
MISMATCH: Final = (403, "tenant-mismatch")
NO_MEMBER: Final = (404, "tenant-not-found")
ROLE: Final = (403, "role-required")
UNVERIFIED: Final = (403, "email-not-verified")
NO_SUPERUSER: Final = (403, "superuser-required")
ASSUMED: Final = (403, "assumed-identity")

DECIDED_LATER: Final = (ROLE, ASSUMED)
"""What a service may find as well, and then gives a detail."""

HEADERS: Final = {401: "www-authenticate", 503: "retry-after"}
"""What a refusal with this status has to carry."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A request that must not succeed."""

    what: str
    call: Call
    refusal: Refusal | Call
    """A request instead: the same with an id that nothing has, which must be answered alike."""

    async def fault(self, answer: httpx.Response) -> str | None:
        """Return what is wrong with the answer to it."""
        if isinstance(self.refusal, Call):
            return await self._difference(answer, self.refusal)
        content = _content(answer)
        got = (answer.status_code, content.get("type", "").removeprefix("/problems/"))
        if got != self.refusal:
            return f"was answered with {got}, not with {self.refusal}"
        if got in DECIDED_LATER and content["detail"]:
            return f"was refused by the service, not before it: {content['detail']}"
        header = HEADERS.get(answer.status_code, "content-type")
        return None if header in answer.headers else f"was answered without {header}"

    async def _difference(self, answer: httpx.Response, unknown: Call) -> str | None:
        if answer.is_server_error or (answer.is_success and unknown.query == self.call.query):
            return f"was answered with {answer.status_code}: {answer.text}"
        expected = await unknown.send()
        if _content(answer) != _content(expected):
            return f"was answered with {answer.text}, an id that nothing has with {expected.text}"
        return None


@dataclass(frozen=True, slots=True)
class Siege:
    """What is tried in one world by, and with, what is of another one."""

    world: World
    other: World
    """Its people are in other tenants."""
    intruders: Intruders

    async def on(self, access: Requirement, mine: Call, theirs: Call) -> list[Attack]:
        """Return the attacks on a route. `mine` and `theirs` are requests to it that succeed, of either world."""
        token = mine.token or self.world.user.token
        settings = self.world.components.settings.auth
        tokens = wrong_tokens(token, self.intruders, settings)
        found = [
            Attack(what, replace(mine, token=wrong), UNAUTHENTICATED)
            for what, wrong in tokens.items()
        ]
        if access.user:
            found.append(Attack("no token", replace(mine, token=None), UNAUTHENTICATED))
        claims = self.world.components.access_tokens.verify(token)
        if access.tenant:
            found += self._tenants(mine, claims)
            found += [attack async for attack in self._roles(access, mine)]
        found += self._people(access, mine)
        if access.user and not access.superuser:
            found += self._ids(mine, theirs)
        return found

    def _tenants(self, mine: Call, claims: AccessClaims) -> Iterator[Attack]:
        other = self.other.owner
        other_id = str(self._claims(other).tenant_id)
        lobby = self._token(claims, tenant_id=None, tenant_slug=None, role=None)
        refusal = MISMATCH if TENANT_IS_NAMED else NO_TENANT
        yield Attack("a token of the lobby", replace(mine, token=lobby), refusal)
        if TENANT_IS_NAMED:
            yield Attack("no tenant", replace(mine, tenant=None), NO_TENANT)
            yield Attack("another tenant", replace(mine, tenant=other.tenant), MISMATCH)
            yield Attack("another tenant's id", replace(mine, tenant=other_id), MISMATCH)
            yield Attack("another tenant's token", replace(mine, token=other.token), MISMATCH)
        into = self._token(claims, tenant_id=UUID(other_id), tenant_slug=other.tenant)
        claimed = replace(mine, token=into, tenant=other.tenant)
        yield Attack("a claim of another tenant", claimed, NO_MEMBER)
        stranger = self.intruders.stranger
        left = self._token(claims, user_id=stranger.user_id, session_id=stranger.session_id)
        yield Attack("somebody who is no member any more", replace(mine, token=left), NO_MEMBER)
        for status, refused in CLOSED.items():
            owner = self.intruders.closed[status]
            yield Attack(f"a tenant that is {status}", mine.by(owner), refused)

    async def _roles(self, access: Requirement, mine: Call) -> AsyncIterator[Attack]:
        for role in Role:
            if mine.tenant is not None and not role.at_least(access.at_least):
                lower = await self.world.factory.member(mine.tenant, role)
                yield Attack(f"the role {role}", mine.by(lower), ROLE)
                once = self._token(self._claims(lower), role=access.at_least)
                yield Attack(f"a lost role, now {role}", replace(mine, token=once), ROLE)

    def _people(self, access: Requirement, mine: Call) -> Iterator[Attack]:
        if access.superuser:
            yield Attack("a user", mine.by(self.world.user), NO_SUPERUSER)
            yield Attack("the owner of a tenant", mine.by(self.world.owner), NO_SUPERUSER)
        if access.verified:
            yield Attack("an unverified address", mine.by(self.intruders.unverified), UNVERIFIED)
        if access.personal:
            yield Attack("an assumed identity", self.world.assumed(mine), ASSUMED)

    def _ids(self, mine: Call, theirs: Call) -> Iterator[Attack]:
        owner = self._claims(self.other.owner)
        known = {"user_id": str(owner.user_id), "tenant_id": str(owner.tenant_id), **theirs.path}
        body = theirs.body if isinstance(theirs.body, dict) else {}

        def attack(part: Literal["path", "query", "body"], name: str, victim: str) -> Attack:
            def naming(id: str) -> Call:
                changed: Any = {part: {**getattr(mine, part), name: id}}
                return replace(mine, **changed)

            return Attack(
                f"another's {name} in the {part}", naming(victim), naming(_unknown(victim))
            )

        for name in mine.path:
            yield attack("path", name, theirs.path[name])
        for name in _ids_of_query(mine.route.dependant):
            yield attack("query", name, known.get(name, known["user_id"]))
        for name in _ids_of_body(mine):
            yield attack("body", name, str(body.get(name) or known.get(name, known["user_id"])))

    def _claims(self, caller: SignedIn) -> AccessClaims:
        return self.world.components.access_tokens.verify(caller.token)

    def _token(self, claims: AccessClaims, **changes: Any) -> str:
        names = ("user_id", "session_id", "tenant_id", "tenant_slug", "role", "actor_id")
        issued = {name: getattr(claims, name) for name in names}
        token, _ = self.world.components.access_tokens.issue(**issued | changes)
        return token


def leaked(secrets: set[str], call: Call, answer: httpx.Response) -> list[str]:
    """Return what an answer tells of the other world that the request has not said itself."""
    said = f"{call.path} {call.query} {call.body} {call.tenant}"
    return [secret for secret in secrets if secret in answer.text and secret not in said]


def is_uuid(text: str) -> bool:
    """Tell whether something reads as a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _content(answer: httpx.Response) -> Any:
    content = answer.json() if answer.content else {}
    if isinstance(content, Mapping):
        return {name: content[name] for name in content.keys() - {"instance", "request_id"}}
    return content


def _unknown(id: str) -> str:
    return str(uuid4()) if is_uuid(id) else f"n-{uuid4().hex}"


def _is_id(name: str, schema: Mapping[str, Any]) -> bool:
    choices = (schema, *schema.get("anyOf", ()))
    is_uuid = any(choice.get("format") == "uuid" for choice in choices)
    return is_uuid or name in {"id", "tenant"} or name.endswith("_id")


def _ids_of_query(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        value: TypeAdapter[Any] = TypeAdapter(field.field_info.annotation or Any)
        if _is_id(field.alias, value.json_schema()):
            yield field.alias
    for sub in dependant.dependencies:
        yield from _ids_of_query(sub)


def _ids_of_body(call: Call) -> list[str]:
    fields: Mapping[str, Mapping[str, Any]] = schema_of(call.route).get("properties", {})
    return [name for name, schema in fields.items() if _is_id(name, schema)]
