"""What should be true of tenants, said once more and simply: no database, no transactions, no background work."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from app.core.roles import Role
from app.models.public.tenants import TenantStatus

type Refusal = tuple[int, str]
"""Status and code of a problem document."""
type Person = int

NOT_FOUND: Final[Refusal] = (404, "not-found")
NO_TENANT: Final[Refusal] = (404, "tenant-not-found")
LOW_ROLE: Final[Refusal] = (403, "role-required")
NO_STEP: Final[Refusal] = (409, "transition-not-allowed")
SLUG_TAKEN: Final[Refusal] = (409, "slug-taken")

_CLOSED: Final[dict[TenantStatus, Refusal]] = {
    TenantStatus.PENDING: (503, "tenant-not-ready"),
    TenantStatus.PROVISIONING: (503, "tenant-not-ready"),
    TenantStatus.FAILED: (503, "tenant-not-ready"),
    TenantStatus.SUSPENDED: (403, "tenant-suspended"),
    TenantStatus.DELETING: (410, "tenant-deleted"),
    TenantStatus.DELETED: (410, "tenant-deleted"),
}
_STEPS: Final[dict[str, tuple[set[TenantStatus], TenantStatus, str]]] = {
    "suspend": ({TenantStatus.READY}, TenantStatus.SUSPENDED, "tenant.suspended"),
    "resume": ({TenantStatus.SUSPENDED}, TenantStatus.READY, "tenant.resumed"),
    "retry": ({TenantStatus.FAILED}, TenantStatus.PROVISIONING, "tenant.provisioning_retried"),
}


@dataclass(slots=True)
class Invited:
    """The last invite of a person to a tenant."""

    id: UUID
    role: Role
    by: Person
    pending: bool = True


@dataclass(slots=True)
class ModelTenant:
    """A tenant as it should be."""

    id: UUID
    slug: str
    status: TenantStatus
    roles: dict[Person, Role]
    invites: dict[Person, Invited] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)
    """What the audit trail says about the tenant, its members and its invites, oldest first."""
    has_schema: bool = False
    was_suspended: bool = False
    due: bool = False
    """The grace period of its deletion is over."""

    freed: set[str] = field(default_factory=set)
    """Slugs that it had, which others may not take yet."""

    @property
    def lives(self) -> bool:
        """Whether it is not deleted."""
        return self.status is not TenantStatus.DELETED

    def keeps(self, slug: str) -> bool:
        """Tell whether it keeps a slug from others."""
        kept = {self.slug, *self.freed} if self.lives else self.freed
        return any(same_slug(each, slug) for each in kept)

    @property
    def is_shown(self) -> bool:
        """Whether its members find it on their lists."""
        return self.lives

    @property
    def owners(self) -> list[Person]:
        """Who owns it."""
        return [person for person, role in self.roles.items() if role is Role.OWNER]

    def admits(self, person: Person, at_least: Role = Role.MEMBER) -> Refusal | None:
        """Return how somebody is refused on a route of the tenant."""
        if person not in self.roles or not self.lives:
            return NO_TENANT
        if self.status in _CLOSED:
            return _CLOSED[self.status]
        return None if self.roles[person].at_least(at_least) else LOW_ROLE

    def may_change(self, by: Person, whom: Person, role: Role | None) -> Refusal | None:
        """Return how a change of a member's role is refused; `None` takes the member out."""
        own = self.roles.get(by)
        if refusal := self.admits(by, Role.ADMIN):
            return refusal
        if role is Role.OWNER and own is not Role.OWNER:
            return LOW_ROLE
        if whom not in self.roles:
            return NOT_FOUND
        if self.roles[whom] is not Role.OWNER or role is Role.OWNER:
            return None
        if own is not Role.OWNER:
            return LOW_ROLE
        return (409, "last-owner") if self.owners == [whom] else None

    def may_leave(self, person: Person) -> Refusal | None:
        """Return how somebody is kept in."""
        return self.admits(person) or ((409, "last-owner") if self.owners == [person] else None)

    def withdraw(self, sender: Person, role: Role | None) -> None:
        """Cancel what somebody has sent and may not hand out with a role; `None` is for who is no member."""
        for invite in self.invites.values():
            kept = role is not None and role.may_invite(invite.role)
            if invite.pending and invite.by == sender and not kept:
                invite.pending = False
                self.actions.append("invite.cancelled")

    def may_invite(self, by: Person, whom: Person, role: Role) -> Refusal | None:
        """Return how an invite is refused."""
        if refusal := self.admits(by, Role.ADMIN):
            return refusal
        if role is Role.OWNER and self.roles[by] is not Role.OWNER:
            return LOW_ROLE
        if whom in self.roles:
            return (409, "already-member")
        pending = whom in self.invites and self.invites[whom].pending
        return (409, "invite-pending") if pending else None

    def may_cancel(self, by: Person, invite: Invited) -> Refusal | None:
        """Return how taking an invite back is refused."""
        if refusal := self.admits(by, Role.ADMIN):
            return refusal
        if invite.role is Role.OWNER and self.roles[by] is not Role.OWNER:
            return LOW_ROLE
        return None if invite.pending else (409, "invite-not-pending")

    def may_accept(self, invite: Invited) -> Refusal | None:
        """Return how accepting an invite is refused."""
        return _CLOSED.get(self.status) if invite.pending else (400, "token-invalid")

    def may_accept_own(self, invite: Invited) -> Refusal | None:
        """Return how accepting an invite without its mail is refused."""
        return self.may_decline(invite) or _CLOSED.get(self.status)

    def may_decline(self, invite: Invited) -> Refusal | None:
        """Return how declining an invite is refused."""
        return None if invite.pending else (409, "invite-not-pending")

    def step(self, name: str) -> Refusal | None:
        """Take a superuser's step, or return how it is refused."""
        allowed, status, action = _STEPS[name]
        if self.status not in allowed:
            return NO_STEP
        self.status, self.was_suspended = status, status is TenantStatus.SUSPENDED
        self.actions.append(action)
        return None

    def delete(self) -> Refusal | None:
        """Delete it, or return how that is refused."""
        if not self.has_schema and self.status is not TenantStatus.FAILED:
            return NO_STEP
        if self.status is TenantStatus.DELETING:
            return NO_STEP
        # There is nothing to wait for where there is no data.
        self.due = self.status is TenantStatus.FAILED
        self.status = TenantStatus.DELETING
        self.actions.append("tenant.deletion_requested")
        return None

    def restore(self) -> Refusal | None:
        """Take a deletion back, or return how that is refused."""
        if self.status is not TenantStatus.DELETING or self.due:
            return NO_STEP
        self.status = TenantStatus.SUSPENDED if self.was_suspended else TenantStatus.READY
        self.actions.append("tenant.restored")
        return None

    def work(self) -> None:
        """Do what waits in the background."""
        if self.status is TenantStatus.PROVISIONING:
            self.status, self.has_schema = TenantStatus.READY, True
            self.actions.append("tenant.provisioned")
        elif self.status is TenantStatus.DELETING and self.due:
            self.status, self.has_schema = TenantStatus.DELETED, False
            self.freed.add(self.slug)
            for invite in self.invites.values():
                if invite.pending:
                    self.actions.append("invite.cancelled")
                invite.pending = False
            self.actions.append("tenant.deleted")


def same_slug(one: str, other: str) -> bool:
    """Tell whether two slugs are one tenant's: `a-b` and `a_b` are."""
    return one.replace("-", "_") == other.replace("-", "_")
