"""Users. A user belongs to no, one or many tenants."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.models.base import PublicBase, Timestamp


class User(PublicBase, table=True):
    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("email"),
        CheckConstraint("email = lower(btrim(email)) AND email LIKE '%_@_%'", name="email"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    email: str = Field(max_length=254)
    full_name: str = Field(max_length=200)
    password_hash: str = Field(max_length=256)
    email_verified_at: datetime | None = Field(default=None, sa_type=Timestamp)
    is_superuser: bool = False
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
    updated_at: datetime = Field(
        default_factory=utcnow, sa_type=Timestamp, sa_column_kwargs={"onupdate": utcnow}
    )
