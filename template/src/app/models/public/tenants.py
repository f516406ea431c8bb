"""Tenants."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, FetchedValue, Index, func, text
from sqlmodel import Field

from app.core.identifiers import utcnow, uuid7
from app.core.slugs import SLUG_MAX_LENGTH, SLUG_PATTERN, UUID_PATTERN
from app.models.base import JsonObject, PublicBase, TextArray, Timestamp, one_of, text_enum


class TenantStatus(StrEnum):
    """The states of a tenant; the database refuses every step that is not drawn in docs/multi-tenancy.md."""

    PENDING = "pending"
    PROVISIONING = "provisioning"
    READY = "ready"
    FAILED = "failed"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    DELETED = "deleted"


class Tenant(PublicBase, table=True):
    __tablename__ = "tenants"
    __table_args__ = (
        CheckConstraint(
            f"slug ~ '{SLUG_PATTERN}' AND length(slug) <= {SLUG_MAX_LENGTH}"
            f" AND replace(slug, '-', '') !~ '{UUID_PATTERN}'",
            name="slug",
        ),
        CheckConstraint(one_of("status", TenantStatus), name="status"),
        CheckConstraint("length(schema_name) <= 63", name="schema_name"),
        # A deleted tenant frees its slug, which `hold_slug` keeps from others for a time, and its schema's name.
        Index(
            "uq_tenants_slug",
            func.replace(text("slug"), text("'-'"), text("'_'")),
            unique=True,
            postgresql_where=text("status <> 'deleted'"),
        ),
        Index(
            "uq_tenants_schema_name",
            "schema_name",
            unique=True,
            postgresql_where=text("status <> 'deleted'"),
        ),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    slug: str = Field(max_length=SLUG_MAX_LENGTH)
    name: str = Field(max_length=200)
    status: TenantStatus = Field(sa_type=text_enum(TenantStatus))
    schema_name: str = Field(max_length=63)
    role_name: str | None = Field(
        default=None,
        max_length=63,
        nullable=False,
        unique=True,
        sa_column_kwargs={"server_default": FetchedValue()},
    )
    """PostgreSQL role of this tenant; a trigger writes it (`lobby_0001`)."""
    attributes: dict[str, Any] = Field(
        default_factory=dict,
        sa_type=JsonObject,
        nullable=False,
        sa_column_kwargs={"name": "metadata", "server_default": text("'{}'::jsonb")},
    )
    """The column `metadata`, a name that SQLAlchemy keeps for itself."""
    migrations: list[str] | None = Field(default=None, sa_type=TextArray)
    """All that its schema has, written with them; `None` until `app migrate` of 0.3.0 has seen it."""
    created_by: UUID | None = Field(
        default=None, foreign_key="public.users.id", ondelete="SET NULL"
    )
    suspended_at: datetime | None = Field(default=None, sa_type=Timestamp)
    delete_after: datetime | None = Field(default=None, sa_type=Timestamp)
    """End of the grace period of a tenant that is being deleted."""
    created_at: datetime = Field(default_factory=utcnow, sa_type=Timestamp)
    updated_at: datetime = Field(
        default_factory=utcnow, sa_type=Timestamp, sa_column_kwargs={"onupdate": utcnow}
    )
