"""What the rule admits, needs and costs that a tenant may require the identity provider: it is read whenever a tenant's token is issued."""

from typing import Final

from app.core.identifiers import utcnow
from app.models.public.vouched_sessions import VouchedSession
from tests.routes.access import OWNER, Access, in_person
from tests.routes.budgets import Budget
from tests.routes.requests import Asked, Prepare, World

ACCESS: Final[dict[str, Access]] = {"set_sign_in_rule": in_person(OWNER)}
BUDGETS: Final[dict[str, Budget]] = {
    "login": Budget(trips=11, statements=11),
    "refresh": Budget(trips=10, statements=10),
    "logout": Budget(trips=6, statements=6),
    "switch_tenant": Budget(trips=11, statements=12),
    "accept_invite": Budget(trips=27, statements=27),
    "accept_my_invite": Budget(trips=21, statements=22),
    "set_sign_in_rule": Budget(trips=9, statements=10),
    # Also which of the tenants the session may not see.
    "list_tenants": Budget(trips=4, statements=5),
    "get_tenant": Budget(trips=4, statements=5),
    "list_all_tenants": Budget(trips=4, statements=5),
    "suspend_tenant": Budget(trips=6, statements=7),
    "resume_tenant": Budget(trips=6, statements=7),
    "retry_tenant": Budget(trips=7, statements=8),
    "restore_tenant": Budget(trips=7, statements=8),
    "delete_any_tenant": Budget(trips=7, statements=8),
    "delete_tenant": Budget(trips=9, statements=10),
    "assume_identity": Budget(trips=6, statements=7),
    # Also that the provider vouches for the session.
    "finish_sign_in": Budget(trips=15, statements=15),
    "exchange_token": Budget(trips=14, statements=14),
    "redeem_sign_in": Budget(trips=7, statements=7),
}


async def set_sign_in_rule(world: World) -> Asked:
    _, owner = await world.tenant()
    async with world.components.database.lobby() as lobby:
        await lobby.add(
            VouchedSession(id=owner.session_id, user_id=owner.user_id, expires_at=utcnow())
        )
    return Asked(body={"requires_provider": True}, caller=owner)


REQUESTS: Final[dict[str, Prepare]] = {"set_sign_in_rule": set_sign_in_rule}
