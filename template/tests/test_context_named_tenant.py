"""A name in the request, against the tenant of the token."""

from uuid import UUID

import pytest

from app.api.context.named_tenant import named_tenant
from app.core.errors import TenantRequired
from app.core.roles import Role
from app.core.security.access_tokens import AccessClaims
from app.core.tenant_name_errors import TenantInvalid, TenantMismatch

ID = "0198c0de-0000-7000-8000-00000000000a"


def claims(slug: str | None) -> AccessClaims:
    one, role = UUID(int=1), Role.MEMBER if slug else None
    tenant_id = UUID(ID) if slug else None
    return AccessClaims(one, one, one, tenant_id, slug, role, None, 0, 1)


@pytest.mark.parametrize("slug", ["acme", "acme-corp", "acme_corp", "republic", "a", "x" * 56])
def test_slug_and_id_name_the_tokens_tenant(slug: str) -> None:
    for name in (slug, ID):
        tenant = named_tenant(name, claims(slug), how="")
        assert (tenant.id, tenant.slug, tenant.role) == (UUID(ID), slug, Role.MEMBER)


@pytest.mark.parametrize("name", ["globex", "acme-2", ID.replace("a", "b")])
def test_another_tenant_is_not_the_tokens(name: str) -> None:
    for slug in ("acme", None):
        with pytest.raises(TenantMismatch) as refused:
            named_tenant(name, claims(slug), how="")
        assert ("acme" if slug else "lobby") in str(refused.value)
        assert "switch-tenant" in str(refused.value)


def test_no_name_is_said_to_be_missing() -> None:
    with pytest.raises(TenantRequired, match="Send it"):
        named_tenant(None, claims("acme"), how="Send it.")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "acme,globex",
        "Acme",
        "acme ",
        "-acme",
        "a--b",
        "x" * 57,
        "../public",
        'acme"; drop schema public',
        "acme\x00",
        "acme\n",
        "\xe4cme",
        "\uff41cme",
        ID.upper(),
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
    ],
)
def test_what_is_neither_slug_nor_id(name: str) -> None:
    with pytest.raises(TenantInvalid):
        named_tenant(name, claims("acme"), how="")
