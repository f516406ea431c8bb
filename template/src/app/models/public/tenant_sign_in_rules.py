"""How a tenant's members have to sign in. A tenant without a row leaves it to them."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from app.core.identifiers import utcnow
from app.models.base import PublicBase, Timestamp


class TenantSignInRule(PublicBase, table=True):
    __tablename__ = "tenant_sign_in_rules"

    tenant_id: UUID = Field(primary_key=True, foreign_key="public.tenants.id", ondelete="CASCADE")
    requires_provider: bool
    updated_at: datetime = Field(
        default_factory=utcnow, sa_type=Timestamp, sa_column_kwargs={"onupdate": utcnow}
    )
