"""Tenants as clients see them."""

from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from app.core.roles import Role
from app.core.slugs import SLUG_MAX_LENGTH, Slug
from app.models.public.tenants import Tenant, TenantStatus
from app.schemas.base import Body, Change, Name, Text
from app.schemas.json_objects import as_stored

METADATA_MAX_BYTES: Final = 16 * 1024
METADATA_MAX_DEPTH: Final = 8


def _as_stored(value: dict[str, Any]) -> dict[str, Any]:
    return as_stored(value, max_bytes=METADATA_MAX_BYTES, max_depth=METADATA_MAX_DEPTH)


Metadata = Annotated[
    dict[str, Any],
    AfterValidator(_as_stored),
    Field(
        description="Any JSON object of at most 16 KiB, with its numbers written out, and eight levels."
    ),
]


class TenantCreate(Body):
    name: Name
    slug: Slug


class TenantUpdate(Change):
    """`metadata` replaces the whole object."""

    name: Name = ""
    slug: Slug = ""
    metadata: Metadata = {}


class TenantDelete(Body):
    """The slug, typed once more, shows that the right tenant is meant."""

    confirm_slug: Annotated[Text, Field(max_length=SLUG_MAX_LENGTH)]


class TenantRead(BaseModel):
    id: UUID
    name: str
    slug: str
    status: TenantStatus
    role: Role
    """The caller's."""
    metadata: dict[str, Any]
    created_at: datetime

    @classmethod
    def of(cls, tenant: Tenant, role: Role) -> Self:
        """Return a tenant as a member with this role sees it."""
        values = tenant.model_dump(include={"id", "name", "slug", "status", "created_at"})
        return cls(**values, role=role, metadata=tenant.attributes)
