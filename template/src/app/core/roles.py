"""What a member may do in a tenant."""

from enum import StrEnum


class Role(StrEnum):
    """A role in one tenant; each includes what the roles after it may do."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"

    def at_least(self, other: "Role") -> bool:
        """Tell whether this role may do all that `other` may."""
        order = tuple(Role)
        return order.index(self) <= order.index(other)

    def may_invite(self, other: "Role") -> bool:
        """Tell whether a member with this role may invite somebody who becomes `other`."""
        return self.at_least(Role.ADMIN) and self.at_least(other)
