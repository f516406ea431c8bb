"""Who belongs to which tenant, and as what."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from app.core.identifiers import utcnow
from app.core.roles import Role
from app.models.base import PublicBase, Timestamp, one_of, text_enum


class UserTenantMembership(PublicBase, table=True):
    __tablename__ = "user_tenant_membership"
    __table_args__ = (
        CheckConstraint(one_of("role", Role), name="role"),
        Index("ix_user_tenant_membership_user_id", "user_id"),
    )

    tenant_id: UUID = Field(primary_key=True, foreign_key="public.tenants.id", ondelete="CASCADE")
    user_id: UUID = Field(primary_key=True, foreign_key="public.users.id", ondelete="CASCADE")
    role: Role = Field(sa_type=text_enum(Role))
    joined_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
