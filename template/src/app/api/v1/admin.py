"""What platform superusers do."""

from uuid import UUID

from app.api.dependencies.admin import AdminServiceDep, WorkflowExecutionRepositoryDep
from app.api.dependencies.admission import SuperUser
from app.api.dependencies.pages import PageRequestDep
from app.api.dependencies.tenants import TenantLifecycleDep, TenantRegistryDep
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import AssumedIdentityForbidden, NotFound, TransitionNotAllowed
from app.models.public.tenants import TenantStatus
from app.models.public.workflow_executions import WorkflowStatus
from app.schemas.admin import AdminTenantRead, AssumedIdentity, IdentityAssumption
from app.schemas.base import Page
from app.schemas.workflows import WorkflowExecutionRead

router = APIRouter(prefix="/admin", tags=["admin"])


@router.get("/tenants")
async def list_all_tenants(
    _user: SuperUser,
    tenants: TenantRegistryDep,
    page: PageRequestDep,
    status: TenantStatus | None = None,
) -> Page[AdminTenantRead]:
    """Return the platform's tenants, newest first."""
    return await tenants.page(page, status=status)


@router.post("/tenants/{tenant_id}/suspend", responses=problems(NotFound, TransitionNotAllowed))
async def suspend_tenant(
    tenant_id: UUID, _user: SuperUser, lifecycle: TenantLifecycleDep
) -> AdminTenantRead:
    """Shut a ready tenant's members out; its data stays."""
    return await lifecycle.suspend(tenant_id)


@router.post("/tenants/{tenant_id}/resume", responses=problems(NotFound, TransitionNotAllowed))
async def resume_tenant(
    tenant_id: UUID, _user: SuperUser, lifecycle: TenantLifecycleDep
) -> AdminTenantRead:
    """Let a suspended tenant's members in again."""
    return await lifecycle.resume(tenant_id)


@router.post("/tenants/{tenant_id}/retry", responses=problems(NotFound, TransitionNotAllowed))
async def retry_tenant(
    tenant_id: UUID, _user: SuperUser, lifecycle: TenantLifecycleDep
) -> AdminTenantRead:
    """Provision a failed tenant once more."""
    return await lifecycle.retry(tenant_id)


@router.post("/tenants/{tenant_id}/restore", responses=problems(NotFound, TransitionNotAllowed))
async def restore_tenant(
    tenant_id: UUID, _user: SuperUser, lifecycle: TenantLifecycleDep
) -> AdminTenantRead:
    """Take back a deletion whose grace period has not ended."""
    return await lifecycle.restore(tenant_id)


@router.delete(
    "/tenants/{tenant_id}", status_code=202, responses=problems(NotFound, TransitionNotAllowed)
)
async def delete_any_tenant(
    tenant_id: UUID, _user: SuperUser, lifecycle: TenantLifecycleDep
) -> AdminTenantRead:
    """Close a tenant; its data is dropped when the grace period ends."""
    return await lifecycle.delete(tenant_id)


@router.post("/assume-identity", responses=problems(NotFound, AssumedIdentityForbidden))
async def assume_identity(
    body: IdentityAssumption, user: SuperUser, service: AdminServiceDep
) -> AssumedIdentity:
    """Return a short-lived access token of a tenant's member; every change made with it is marked."""
    return await service.assume_identity(body, superuser_id=user.id, session_id=user.session_id)


@router.get("/workflows")
async def list_workflows(
    _user: SuperUser,
    executions: WorkflowExecutionRepositoryDep,
    page: PageRequestDep,
    status: WorkflowStatus | None = None,
    tenant_id: UUID | None = None,
) -> Page[WorkflowExecutionRead]:
    """Return requested background work, newest first."""
    return await executions.page(page, status=status, tenant_id=tenant_id)
