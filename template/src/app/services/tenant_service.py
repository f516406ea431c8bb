"""Changes to the current tenant: who may make them, and the audit trail."""

from app.core.errors import SlugNotConfirmed
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
        lifecycle: TenantLifecycle,
        audit: AuditTrail,
        caller: ActingMember,
    ) -> None:
        self.tenants = tenants
        self.lifecycle = lifecycle
        self.audit = audit
        self.caller = caller

    async def update(self, data: TenantUpdate) -> TenantRead:
        """Change the fields that are present in `data`; the schema keeps its name.

        An access token names the slug that the tenant had when it was issued, until it is refreshed.

        Raises:
            RoleRequired: the slug changes, and the caller is no owner.
            AssumedIdentityForbidden: the slug changes, and a superuser assumes the identity.
            SlugTaken: another tenant has the new slug.
        """
        tenant = await self.tenants.get(self.caller.tenant_id)
        changes = data.model_dump(exclude_unset=True)
        if changes.get("slug", tenant.slug) != tenant.slug:
            self.caller.require_owner()
        if "metadata" in changes:
            changes["attributes"] = changes.pop("metadata")
        before = AdminTenantRead.of(tenant)
        after = AdminTenantRead.of(await self.tenants.update(tenant, changes))
        if after != before:
            await self.audit.record(
                "tenant.updated", "tenant", tenant.id, before=before, after=after
            )
        return TenantRead.of(tenant, self.caller.role)

    async def delete(self, data: TenantDelete) -> TenantRead:
        """Close the tenant and have its data dropped when the grace period ends.

        Raises:
            SlugNotConfirmed: `data` does not name the tenant.
            TransitionNotAllowed: a request at the same time closed the tenant.
        """
        tenant = await self.tenants.get(self.caller.tenant_id)
        if data.confirm_slug != tenant.slug:
            raise SlugNotConfirmed
        await self.lifecycle.delete(tenant.id)
        return TenantRead.of(tenant, self.caller.role)
