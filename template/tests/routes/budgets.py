"""What each route may cost: one table, read by `tests/routes/test_round_trips.py`.

A route that is not here has the budget of its method, which fits what is written the plain way. One of yours that needs more
is in a `BUDGETS` of its file in `tests/resources`.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a warm request may cost, on one connection to PostgreSQL."""

    trips: int
    """Each is a network hop in production."""
    statements: int
    """Those that begin and end a transaction are two."""


READ: Final = Budget(trips=3, statements=4)
"""BEGIN with the admission; a query; COMMIT."""

CHANGE: Final = Budget(trips=5, statements=6)
"""BEGIN with the admission; the row, locked; its change; the audit row; COMMIT."""

BUDGETS: Final[dict[str, Budget]] = {
    # Also a row of the outbox.
    "retry_tenant": Budget(trips=6, statements=7),
    "delete_any_tenant": Budget(trips=6, statements=7),
    # Also the caller's role, once the tenant is locked.
    "update_tenant": Budget(trips=6, statements=7),
    "delete_tenant": Budget(trips=8, statements=9),
    # Also the tenant, locked, and then the caller's role and the invite's state; a row of the outbox, and whom the mail
    # goes to: it is counted.
    "resend_invite": Budget(trips=10, statements=11),
    "create_invite": Budget(trips=9, statements=10),
    "cancel_invite": Budget(trips=8, statements=9),
    # Also the user, locked, whose address it is.
    "decline_my_invite": Budget(trips=6, statements=7),
    # Also the sender's role, the membership, and a session that starts.
    "accept_my_invite": Budget(trips=18, statements=19),
    "create_tenant": Budget(trips=8, statements=9),
    # Also the state that it returns to.
    "restore_tenant": Budget(trips=6, statements=7),
    # Also the other owners, locked, as the last one stays; and what the member has sent.
    "update_member": Budget(trips=9, statements=10),
    # And the invite of the member's address.
    "remove_member": Budget(trips=12, statements=13),
    "leave_tenant": Budget(trips=11, statements=12),
    # Also the project, which may not be there.
    "list_project_tasks": Budget(trips=4, statements=5),
    # The user, locked, the session, the tenant; ends what is too many, starts another.
    "switch_tenant": Budget(trips=8, statements=9),
}


def default_of(method: str) -> Budget:
    """Return the budget of a route that no table names."""
    return READ if method in {"GET", "HEAD"} else CHANGE
