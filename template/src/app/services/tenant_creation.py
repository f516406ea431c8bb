"""New tenants, whoever asks for them."""

from typing import Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from app.core.db import tenancy
from app.core.db.failures import constraint_of
from app.core.db.sessions import LobbySession
from app.core.identifiers import uuid7
from app.core.reserved_slugs import ReservedSlugs
from app.core.roles import Role
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenants import TenantRegistry
from app.schemas.admin import AdminTenantRead
from app.services.audit_trail import AuditTrail
from app.services.workflow_requests import WorkflowRequests

_SCHEMA_TAKEN: Final = "uq_tenants_schema_name"


class TenantCreation:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(
        self, session: LobbySession, audit: AuditTrail, reserved: ReservedSlugs | None = None
    ) -> None:
        """Without `reserved`, every name may be taken: an operator knows which hosts there are."""
        self.session = session
        self.audit = audit
        self.reserved = reserved
        self.tenants = TenantRegistry(session)
        self.memberships = MembershipRepository(session)
        self.workflows = WorkflowRequests(session)

    async def create(self, *, slug: str, name: str, owner_id: UUID) -> Tenant:
        """Add a tenant with its first owner, and have it made.

        Raises:
            SlugTaken: another tenant has the slug or one that differs in `-` and `_` only, or freed it less than
                `SLUG_HOLD` ago.
        """
        status = TenantStatus.PROVISIONING
        tenant = await self.add(slug=slug, name=name, owner_id=owner_id, status=status)
        await self.workflows.provision_tenant(tenant.id)
        return tenant

    async def add(self, *, slug: str, name: str, owner_id: UUID, status: TenantStatus) -> Tenant:
        """Add a tenant with its first owner, and request nothing for it.

        Raises:
            SlugTaken: another tenant has the slug or one that differs in `-` and `_` only, or freed it less than
                `SLUG_HOLD` ago; or it is reserved.
        """
        if self.reserved is not None:
            self.reserved.refuse(slug)
        tenant = await self._insert(
            Tenant(
                slug=slug,
                name=name,
                status=status,
                schema_name=tenancy.schema_name(slug),
                created_by=owner_id,
            )
        )
        await self.memberships.add(
            UserTenantMembership(tenant_id=tenant.id, user_id=owner_id, role=Role.OWNER)
        )
        await self.audit.record(
            "tenant.created",
            "tenant",
            tenant.id,
            after=AdminTenantRead.of(tenant),
            tenant_id=tenant.id,
        )
        return tenant

    async def _insert(self, tenant: Tenant) -> Tenant:
        values = tenant.model_dump(exclude={"id", "schema_name"})
        try:
            async with self.session.savepoint():
                return await self.tenants.add(tenant)
        except IntegrityError as exc:
            if constraint_of(exc) != _SCHEMA_TAKEN:
                raise
        # A tenant that was renamed since keeps the schema that this slug would have.
        id = uuid7()
        schema = tenancy.schema_name_of(tenant.slug, id)
        return await self.tenants.add(Tenant(id=id, schema_name=schema, **values))
