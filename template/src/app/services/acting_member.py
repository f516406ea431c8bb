"""The member who makes a change in a tenant."""

from dataclasses import dataclass
from uuid import UUID

from app.core.errors import AssumedIdentityForbidden, RoleRequired
from app.core.roles import Role
from app.repositories.public.memberships import MembershipRepository


@dataclass(frozen=True, slots=True)
class ActingMember:
    """A member as admission found them at the start of the request."""

    user_id: UUID
    tenant_id: UUID
    role: Role
    assumed: bool
    """A superuser acts under this member's identity."""

    def require_owner(self) -> None:
        """Refuse a change that only an owner makes, and only in person.

        Raises:
            AssumedIdentityForbidden: a superuser assumes the identity.
            RoleRequired: the member is no owner.
        """
        if self.assumed:
            raise AssumedIdentityForbidden
        if self.role is not Role.OWNER:
            raise RoleRequired("Only an owner may do this.")

    async def require_unchanged(self, memberships: MembershipRepository) -> None:
        """Refuse a change by a member whose role was lowered since admission, and hold the role until the change is made.

        Raises:
            RoleRequired: it was, or the member was removed.
        """
        own = await memberships.find_of(self.tenant_id, self.user_id)
        if own is None or not own.role.at_least(self.role):
            raise RoleRequired("Your role was changed at this moment.")
