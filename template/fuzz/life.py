"""The life of tenants, lived in any order: each step is taken by the service and by the model, which have to agree."""

import asyncio
import secrets
from collections.abc import Awaitable
from typing import Any, ClassVar, Final
from uuid import UUID

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from app.core.roles import Role
from app.models.public.tenants import TenantStatus
from fuzz.model import SLUG_TAKEN, Invited, ModelTenant, Person, Refusal
from fuzz.stage import Found, Stage
from tests import background
from tests.answers import problem
from tests.factories import SignedIn


def _choices(life: "Life") -> st.SearchStrategy[ModelTenant]:
    # Mostly one that is open: in others little happens.
    is_open = [tenant for tenant in life.known if tenant.status is TenantStatus.READY]
    return st.sampled_from([*is_open, *is_open, *is_open, *life.known])


TENANTS: Final = st.runner().flatmap(_choices)
PEOPLE: Final = st.integers(0, 2)
CALLERS: Final = st.one_of(PEOPLE, st.none())
"""`None` is an owner, whoever that is."""
ROLES: Final = st.sampled_from(Role)
AFTERWARDS: Final = st.sampled_from(["regret", "wait", "go on"])
SLUGS: Final = st.sampled_from(["-a", "_a", "-b", "-c", "-d"])
"""The first two are the same tenant's."""


class Life(RuleBasedStateMachine):
    """A few people, a superuser, and what becomes of their tenants."""

    tenants: ClassVar[type[ModelTenant]] = ModelTenant

    def __init__(self, stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.stage = stage
        self.loop = loop
        self.prefix = f"l{secrets.token_hex(4)}"
        self.known: list[ModelTenant] = []
        self.steps = 0
        factory = stage.world.factory
        self.people: list[SignedIn] = [self.now(factory.signed_in()) for _ in range(3)]
        self.superuser = stage.world.superuser
        # Of a life that has failed, something may be left to do.
        self.now(background.end_all(stage.work))
        self.others = self.now(stage.others([]))

    def now[T](self, coroutine: Awaitable[T]) -> T:
        """Wait for the service."""
        return self.loop.run_until_complete(_awaited(coroutine))

    def refused(self, answer: httpx.Response, expected: Refusal | None) -> bool:
        """Compare an answer with the model's, and tell whether it is a refusal."""
        got = problem(answer) if answer.is_error else None
        assert got == expected, (
            f"the service says {got or answer.status_code}, the model {expected}"
        )
        return got is not None

    def caller(self, tenant: ModelTenant, by: Person | None) -> Person:
        """Return who sends a request in a tenant."""
        return tenant.owners[0] if by is None else by

    def inside(
        self, tenant: ModelTenant, person: Person, method: str, path: str, body: Any = None
    ) -> httpx.Response:
        """Let somebody send a request in a tenant."""
        return self.now(self.stage.call(self.people[person], tenant.slug, method, path, json=body))

    def is_taken(self, slug: str, but: ModelTenant | None = None) -> bool:
        """Tell whether a tenant has the slug, or had it until now."""
        return any(each is not but and each.keeps(slug) for each in self.known)

    @initialize()
    def settle(self) -> None:
        """Begin with a tenant that is ready, has an owner and an admin, and waits for a member."""
        self.create(0, "-a")
        self.catch_up()
        self.welcome(self.known[0], 1, Role.ADMIN)
        self.invite(self.known[0], 0, 2, Role.MEMBER)

    @rule(person=PEOPLE, suffix=SLUGS)
    def create(self, person: Person, suffix: str) -> None:
        """Found a tenant."""
        slug = self.prefix + suffix
        body = {"name": "Analytical Engines", "slug": slug}
        answer = self.now(self.people[person].post("/tenants", body))
        if not self.refused(answer, SLUG_TAKEN if self.is_taken(slug) else None):
            self.begin(UUID(answer.json()["id"]), slug, person, TenantStatus.PROVISIONING)

    def begin(self, id: UUID, slug: str, person: Person, status: TenantStatus) -> None:
        """Keep a tenant in mind."""
        tenant = self.tenants(id, slug, status, {person: Role.OWNER})
        tenant.actions.append("tenant.created")
        self.known.append(tenant)

    @rule()
    def catch_up(self) -> None:
        """Let the background work be done."""
        self.now(self.stage.catch_up())
        for tenant in self.known:
            was_made = tenant.has_schema
            tenant.work()
            if tenant.has_schema and not was_made:
                answer = self.inside(tenant, tenant.owners[0], "POST", "/projects", _mark(tenant))
                assert answer.status_code == 201, answer.text

    @rule(tenant=TENANTS)
    def provisioning_fails(self, tenant: ModelTenant) -> None:
        """Let an engine give up on a tenant."""
        if tenant.status is TenantStatus.PROVISIONING:
            self.now(self.stage.give_up(tenant.id))
            tenant.status = TenantStatus.FAILED
            tenant.actions.append("tenant.provisioning_failed")

    @rule(tenant=TENANTS, step=st.sampled_from(["suspend", "resume", "retry"]))
    def step(self, tenant: ModelTenant, step: str) -> None:
        """Let the superuser take a step."""
        answer = self.now(self.superuser.post(f"/admin/tenants/{tenant.id}/{step}"))
        self.refused(answer, tenant.step(step))

    @rule(tenant=TENANTS, suspends=st.booleans(), at_once=st.booleans(), then=AFTERWARDS)
    def delete(self, tenant: ModelTenant, suspends: bool, at_once: bool, then: str) -> None:
        """Let the superuser delete a tenant, with or without waiting for its grace period."""
        if suspends:
            self.step(tenant, "suspend")
        answer = self.now(self.superuser.delete(f"/admin/tenants/{tenant.id}"))
        if not self.refused(answer, tenant.delete()):
            self._end_grace(tenant, at_once)
        self._go_on(tenant, then)

    @rule(tenant=TENANTS, person=PEOPLE, at_once=st.booleans(), then=AFTERWARDS)
    def close(self, tenant: ModelTenant, person: Person, at_once: bool, then: str) -> None:
        """Let somebody delete a tenant from within."""
        if not tenant.lives:
            return
        body = {"confirm_slug": tenant.slug}
        answer = self.inside(tenant, person, "DELETE", "/tenant", body)
        if not self.refused(answer, tenant.admits(person, Role.OWNER)):
            assert tenant.delete() is None
            self._end_grace(tenant, at_once)
        self._go_on(tenant, then)

    def _go_on(self, tenant: ModelTenant, then: str) -> None:
        # What follows a deletion would rarely be drawn next.
        if then == "regret":
            self.restore(tenant)
        elif then == "wait":
            self.catch_up()

    def _end_grace(self, tenant: ModelTenant, at_once: bool) -> None:
        if at_once and tenant.status is TenantStatus.DELETING and not tenant.due:
            self.now(self.stage.end_grace(tenant.id))
            tenant.due = True

    @rule(tenant=TENANTS)
    def restore(self, tenant: ModelTenant) -> None:
        """Let the superuser take a deletion back."""
        answer = self.now(self.superuser.post(f"/admin/tenants/{tenant.id}/restore"))
        self.refused(answer, tenant.restore())

    @rule(tenant=TENANTS, person=PEOPLE, suffix=SLUGS)
    def rename(self, tenant: ModelTenant, person: Person, suffix: str) -> None:
        """Let somebody give a tenant another slug."""
        slug = self.prefix + suffix
        if not tenant.lives:
            return
        answer = self.inside(tenant, person, "PATCH", "/tenant", {"slug": slug})
        changes = slug != tenant.slug
        refusal = tenant.admits(person, Role.OWNER if changes else Role.ADMIN)
        taken = changes and self.is_taken(slug, but=tenant)
        if not self.refused(answer, refusal or (SLUG_TAKEN if taken else None)) and changes:
            tenant.freed.add(tenant.slug)
            tenant.slug = slug
            tenant.actions.append("tenant.updated")

    @rule(tenant=TENANTS, by=CALLERS, whom=PEOPLE, role=ROLES)
    def invite(self, tenant: ModelTenant, by: Person | None, whom: Person, role: Role) -> None:
        """Let somebody invite somebody."""
        by = self.caller(tenant, by)
        if not tenant.lives:
            return
        body = {"email": self.people[whom].email, "role": role}
        answer = self.inside(tenant, by, "POST", "/invites", body)
        if not self.refused(answer, tenant.may_invite(by, whom, role)):
            tenant.invites[whom] = Invited(UUID(answer.json()["id"]), role, by)
            tenant.actions.append("invite.created")

    @rule(tenant=TENANTS, whom=PEOPLE, role=ROLES)
    def welcome(self, tenant: ModelTenant, whom: Person, role: Role) -> None:
        """Let an owner invite somebody, who accepts."""
        self.invite(tenant, None, whom, role)
        self.accept(tenant, whom)

    @rule(tenant=TENANTS, by=CALLERS, whom=PEOPLE)
    def cancel(self, tenant: ModelTenant, by: Person | None, whom: Person) -> None:
        """Let somebody take an invite back."""
        by = self.caller(tenant, by)
        invite = tenant.invites.get(whom)
        if invite is None or not tenant.lives:
            return
        answer = self.inside(tenant, by, "DELETE", f"/invites/{invite.id}")
        if not self.refused(answer, tenant.may_cancel(by, invite)):
            invite.pending = False
            tenant.actions.append("invite.cancelled")

    @rule(tenant=TENANTS, person=PEOPLE, by_mail=st.booleans())
    def accept(self, tenant: ModelTenant, person: Person, by_mail: bool = True) -> None:
        """Let somebody accept an invite, be it the first or the second time."""
        invite = tenant.invites.get(person)
        if invite is None:
            return
        if by_mail:
            body = {"token": self.now(self.stage.invite_token(invite.id))}
            answer = self.now(self.people[person].post("/invites/accept", body))
            expected = tenant.may_accept(invite)
        else:
            path = f"/users/me/invites/{invite.id}/accept"
            answer = self.now(self.people[person].post(path))
            expected = tenant.may_accept_own(invite)
        if not self.refused(answer, expected):
            invite.pending = False
            tenant.roles[person] = invite.role
            tenant.actions += ["invite.accepted", "member.joined"]

    @rule(tenant=TENANTS, person=PEOPLE)
    def decline(self, tenant: ModelTenant, person: Person) -> None:
        """Let somebody decline an invite, be it the first or the second time."""
        invite = tenant.invites.get(person)
        if invite is None:
            return
        answer = self.now(self.people[person].post(f"/users/me/invites/{invite.id}/decline"))
        if not self.refused(answer, tenant.may_decline(invite)):
            invite.pending = False
            tenant.actions.append("invite.declined")

    @rule(tenant=TENANTS, by=CALLERS, whom=PEOPLE, role=ROLES)
    def change_role(self, tenant: ModelTenant, by: Person | None, whom: Person, role: Role) -> None:
        """Let somebody change somebody's role."""
        by = self.caller(tenant, by)
        if not tenant.lives:
            return
        path = f"/members/{self.people[whom].user_id}"
        answer = self.inside(tenant, by, "PATCH", path, {"role": role})
        if not self.refused(answer, tenant.may_change(by, whom, role)):
            tenant.withdraw(whom, role)
            if tenant.roles[whom] is not role:
                tenant.actions.append("member.role_changed")
            tenant.roles[whom] = role

    @rule(tenant=TENANTS, by=CALLERS, whom=PEOPLE)
    def remove(self, tenant: ModelTenant, by: Person | None, whom: Person) -> None:
        """Let somebody take somebody out."""
        by = self.caller(tenant, by)
        if not tenant.lives:
            return
        answer = self.inside(tenant, by, "DELETE", f"/members/{self.people[whom].user_id}")
        if not self.refused(answer, tenant.may_change(by, whom, None)):
            tenant.withdraw(whom, None)
            del tenant.roles[whom]
            tenant.actions.append("member.removed")

    @rule(tenant=TENANTS, person=PEOPLE)
    def leave(self, tenant: ModelTenant, person: Person) -> None:
        """Let somebody leave."""
        if not tenant.lives:
            return
        answer = self.inside(tenant, person, "DELETE", "/members/me")
        if not self.refused(answer, tenant.may_leave(person)):
            tenant.withdraw(person, None)
            del tenant.roles[person]
            tenant.actions.append("member.left")

    @rule(person=PEOPLE)
    def look(self, person: Person) -> None:
        """Compare all that somebody can see: their tenants, and in each of these its own data."""
        listed = self.now(self.people[person].get("/users/me/tenants")).json()["items"]
        mine = [tenant for tenant in self.known if tenant.is_shown and person in tenant.roles]
        assert {(each["id"], each["slug"], each["status"], each["role"]) for each in listed} == {
            (str(each.id), each.slug, each.status, each.roles[person]) for each in mine
        }
        for tenant in (each for each in self.known if each.lives):
            answer = self.inside(tenant, person, "GET", "/projects")
            if not self.refused(answer, tenant.admits(person)):
                names = [project["name"] for project in answer.json()["items"]]
                assert names == [_mark(tenant)["name"]]

    @invariant()
    def the_database_agrees(self) -> None:
        """Compare what the database has about every tenant, known and unknown."""
        self.steps += 1
        found = self.now(Found.on(self.stage, self.known))
        schemas = {found.tenants[each.id].schema_name for each in self.known if each.has_schema}
        for tenant in self.known:
            row, people = found.tenants[tenant.id], self.people
            assert (row.slug, row.status) == (tenant.slug, tenant.status)
            assert row.has_role == tenant.has_schema, f"{tenant}: its role"
            assert row.has_schema == (row.schema_name in schemas), f"{tenant}: its schema"
            roles = {people[person].user_id: role for person, role in tenant.roles.items()}
            assert found.roles[tenant.id] == roles
            assert tenant.owners, "nobody owns it"
            pending = [people[n].email for n, invite in tenant.invites.items() if invite.pending]
            assert sorted(found.pending[tenant.id]) == sorted(pending)
            assert found.actions[tenant.id] == tenant.actions
        assert len(schemas) == sum(tenant.has_schema for tenant in self.known)
        assert self.now(self.stage.others([tenant.id for tenant in self.known])) == self.others

    def teardown(self) -> None:
        """Look through everybody's eyes."""
        for person in range(len(self.people)):
            self.look(person)


def _mark(tenant: ModelTenant) -> dict[str, str]:
    return {"name": f"of {tenant.id}"}


async def _awaited[T](waited_for: Awaitable[T]) -> T:
    return await waited_for
