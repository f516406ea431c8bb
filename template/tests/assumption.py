"""A superuser under a member's identity."""

from dataclasses import replace

from tests.factories import Factory, SignedIn


async def assume(factory: Factory, member: SignedIn, *, superuser: SignedIn) -> SignedIn:
    """Return the member as the superuser becomes it, through the API."""
    assert member.tenant is not None
    tenant = await factory.find_tenant(member.tenant)
    answer = await superuser.post(
        "/admin/assume-identity",
        {"user_id": str(member.user_id), "tenant_id": str(tenant.id), "reason": "Ticket 7"},
    )
    assert answer.status_code == 200, answer.text
    return replace(member, token=answer.json()["access_token"], session_id=superuser.session_id)
