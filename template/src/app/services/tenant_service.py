"""Changes to the current tenant: who may make them, and the audit trail."""

from app.core.errors import SlugNotConfirmed
from app.core.reserved_slugs import ReservedSlugs
from app.models.public.tenants import Tenant
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.tenants import TenantRegistry
from app.schemas.admin import AdminTenantRead
from app.schemas.tenants import TenantDelete, TenantRead, TenantUpdate
from app.services.acting_member import ActingMember
from app.services.audit_trail import AuditTrail
from app.services.tenant_lifecycle import TenantLifecycle


class TenantService:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(
        self,
        tenants: TenantRegistry,
        memberships: MembershipRepository,
        lifecycle: TenantLifecycle,
        audit: AuditTrail,
        caller: ActingMember,
        reserved: ReservedSlugs,
    ) -> None:
        self.tenants = tenants
        self.memberships = memberships
        self.lifecycle = lifecycle
        self.audit = audit
        self.caller = caller
        self.reserved = reserved

    async def update(self, data: TenantUpdate) -> TenantRead:
        """Change the fields that are present in `data`; the schema keeps its name.

        An access token names the slug that the tenant had when it was issued, until it is refreshed.

        Raises:
            RoleRequired: the slug changes, and the caller is no owner; or the caller's role was lowered meanwhile.
            AssumedIdentityForbidden: the slug changes, and a superuser assumes the identity.
            SlugTaken: another tenant has the new slug or freed it less than `SLUG_HOLD` ago, or it is reserved.
        """
        tenant = await self._locked()
        changes = data.model_dump(exclude_unset=True)
        if changes.get("slug", tenant.slug) != tenant.slug:
            self.caller.require_owner()
            self.reserved.refuse(changes["slug"])
        if "metadata" in changes:
            changes["attributes"] = changes.pop("metadata")
        before = AdminTenantRead.of(tenant)
        after = AdminTenantRead.of(await self.tenants.update(tenant, changes))
        # `updated_at` differs whenever something was written.
        if after.updated_at != before.updated_at:
            await self.audit.record(
                "tenant.updated", "tenant", tenant.id, before=before, after=after
            )
        return TenantRead.of(tenant, self.caller.role)

    async def delete(self, data: TenantDelete) -> TenantRead:
        """Close the tenant and have its data dropped when the grace period ends.

        Raises:
            RoleRequired: the caller's role was lowered meanwhile.
            SlugNotConfirmed: `data` does not name the tenant.
            TransitionNotAllowed: a request at the same time closed the tenant.
        """
        tenant = await self._locked()
        if data.confirm_slug != tenant.slug:
            raise SlugNotConfirmed
        await self.lifecycle.delete(tenant.id)
        return TenantRead.of(tenant, self.caller.role)

    async def _locked(self) -> Tenant:
        # Roles change under the same lock: admission saw the caller's before this request had to wait for it.
        tenant = await self.tenants.get(self.caller.tenant_id)
        await self.caller.require_unchanged(self.memberships)
        return tenant
