"""What the routes of tenants, members, invites, sessions and the platform need."""

import secrets
from typing import Final

from app.models.public.tenants import TenantStatus
from tests.mailbox import Mailbox
from tests.routes.requests import Asked, Prepare, World

TOKENS_OF: Final = {"logout": "refresh", "accept_invite": "look_up_invite"}
"""Routes that take the tokens of another."""


def slug() -> str:
    return f"r-{secrets.token_hex(6)}"


async def suspend_tenant(world: World) -> Asked:
    tenant, _ = await world.tenant()
    return Asked({"tenant_id": tenant.id})


async def resume_tenant(world: World) -> Asked:
    tenant, _ = await world.tenant(TenantStatus.SUSPENDED)
    return Asked({"tenant_id": tenant.id})


async def retry_tenant(world: World) -> Asked:
    tenant, _ = await world.tenant(TenantStatus.FAILED)
    return Asked({"tenant_id": tenant.id})


async def restore_tenant(world: World) -> Asked:
    tenant, _ = await world.tenant()
    deleted = await world.superuser.delete(f"/admin/tenants/{tenant.id}")
    deleted.raise_for_status()
    return Asked({"tenant_id": tenant.id})


async def delete_any_tenant(world: World) -> Asked:
    tenant, _ = await world.tenant()
    return Asked({"tenant_id": tenant.id})


async def assume_identity(world: World) -> Asked:
    tenant, owner = await world.tenant()
    ids = {"user_id": str(owner.user_id), "tenant_id": str(tenant.id)}
    return Asked(body={**ids, "reason": "Ticket 7"})


async def update_tenant(world: World) -> Asked:
    _, owner = await world.tenant()
    return Asked(body={"name": "New", "metadata": {"plan": "pro"}}, caller=owner)


async def delete_tenant(world: World) -> Asked:
    tenant, owner = await world.tenant()
    return Asked(body={"confirm_slug": tenant.slug}, caller=owner)


async def create_tenant(world: World) -> Asked:
    return Asked(body={"name": "New", "slug": slug()}, caller=await world.factory.signed_in())


async def get_tenant(world: World) -> Asked:
    tenant, owner = await world.tenant()
    return Asked({"slug": tenant.slug}, caller=owner)


async def of_a_member(world: World) -> Asked:
    tenant, owner = await world.tenant()
    member = await world.factory.member(tenant.slug)
    return Asked({"user_id": member.user_id}, body={"role": "admin"}, caller=owner)


async def remove_member(world: World) -> Asked:
    asked = await of_a_member(world)
    return Asked(asked.path, caller=asked.caller)


async def leave_tenant(world: World) -> Asked:
    tenant, _ = await world.tenant()
    return Asked(caller=await world.factory.member(tenant.slug))


async def of_an_invited_user(world: World) -> Asked:
    user = await world.factory.signed_in()
    invited = await world.owner.post("/invites", {"email": user.email, "role": "member"})
    return Asked({"invite_id": invited.raise_for_status().json()["id"]}, caller=user)


async def list_my_invites(world: World) -> Asked:
    return Asked(caller=(await of_an_invited_user(world)).caller)


async def look_up_invite(world: World, email: str | None = None) -> Asked:
    email = email or f"{slug()}@example.test"
    (await world.owner.post("/invites", {"email": email, "role": "member"})).raise_for_status()
    return Asked(body={"token": await Mailbox(world.components).token(email)})


async def end_session(world: World) -> Asked:
    user = await world.factory.user()
    ended = await world.factory.sign_in(user)
    return Asked({"session_id": ended.session_id}, caller=await world.factory.sign_in(user))


async def logout_all(world: World) -> Asked:
    return Asked(caller=await world.factory.signed_in())


async def switch_tenant(world: World) -> Asked:
    return Asked(body={"tenant": world.owner.tenant}, caller=world.owner)


REQUESTS: Final[dict[str, Prepare]] = {
    "suspend_tenant": suspend_tenant,
    "resume_tenant": resume_tenant,
    "retry_tenant": retry_tenant,
    "restore_tenant": restore_tenant,
    "delete_any_tenant": delete_any_tenant,
    "assume_identity": assume_identity,
    "update_tenant": update_tenant,
    "delete_tenant": delete_tenant,
    "create_tenant": create_tenant,
    "get_tenant": get_tenant,
    "update_member": of_a_member,
    "remove_member": remove_member,
    "leave_tenant": leave_tenant,
    "list_my_invites": list_my_invites,
    "accept_my_invite": of_an_invited_user,
    "decline_my_invite": of_an_invited_user,
    "look_up_invite": look_up_invite,
    "end_session": end_session,
    "logout_all": logout_all,
    "switch_tenant": switch_tenant,
}
