"""Tokens sent to an address to prove that somebody reads its mail."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.models.base import PublicBase, Timestamp, one_of, text_enum


class VerificationPurpose(StrEnum):
    """What the holder of the token may do."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose, not a password


class EmailVerification(PublicBase, table=True):
    __tablename__ = "email_verifications"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint(one_of("purpose", VerificationPurpose), name="purpose"),
        Index("ix_email_verifications_user_id", "user_id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    user_id: UUID = Field(foreign_key="public.users.id", ondelete="CASCADE")
    tenant_id: UUID | None = Field(
        default=None, foreign_key="public.tenants.id", ondelete="CASCADE"
    )
    """The pending tenant that the verified address opens."""
    purpose: VerificationPurpose = Field(sa_type=text_enum(VerificationPurpose))
    token_hash: bytes | None = None
    """Written when the mail goes out (ADR 0006)."""
    full_name: str | None = Field(default=None, max_length=200)
    password_hash: str | None = Field(default=None, max_length=256)
    """The password of this registration: only who reads the mail can make it count (ADR 0007)."""
    expires_at: datetime = Field(sa_type=Timestamp)
    used_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
