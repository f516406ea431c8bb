"""Invitations to join a tenant."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.core.roles import Role
from app.models.base import PublicBase, Timestamp, one_of, text_enum


class InviteStatus(StrEnum):
    """`pending` is the only state that can change."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class TenantInvite(PublicBase, table=True):
    __tablename__ = "tenant_invites"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint(one_of("role", Role), name="role"),
        CheckConstraint(one_of("status", InviteStatus), name="status"),
        CheckConstraint("email = lower(btrim(email)) AND email LIKE '%_@_%'", name="email"),
        Index(
            "uq_tenant_invites_pending",
            "tenant_id",
            "email",
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_tenant_invites_tenant_id", "tenant_id", "id"),
        Index("ix_tenant_invites_email", "email", postgresql_where=text("status = 'pending'")),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    tenant_id: UUID = Field(foreign_key="public.tenants.id", ondelete="CASCADE")
    email: str = Field(max_length=254)
    role: Role = Field(sa_type=text_enum(Role))
    status: InviteStatus = Field(default=InviteStatus.PENDING, sa_type=text_enum(InviteStatus))
    token_hash: bytes | None = None
    """Written when the mail goes out (ADR 0006)."""
    invited_by: UUID | None = Field(
        default=None, foreign_key="public.users.id", ondelete="SET NULL"
    )
    """Who sent it last. It is worth no more than what this member may hand out at its use."""
    accepted_by: UUID | None = Field(
        default=None, foreign_key="public.users.id", ondelete="SET NULL"
    )
    expires_at: datetime = Field(sa_type=Timestamp)
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
    resolved_at: datetime | None = Field(default=None, sa_type=Timestamp)
