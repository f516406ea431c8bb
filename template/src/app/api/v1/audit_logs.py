"""The current tenant's audit log."""

from app.api.dependencies.admission import AdminUser
from app.api.dependencies.audit_logs import AuditLogFilterDep, AuditLogRepositoryDep
from app.api.dependencies.pages import PageRequestDep
from app.api.routing import APIRouter
from app.schemas.audit_logs import AuditLogRead
from app.schemas.base import Page

router = APIRouter(prefix="/audit-logs", tags=["audit-logs"])


@router.get("")
async def list_audit_logs(
    _user: AdminUser, logs: AuditLogRepositoryDep, wanted: AuditLogFilterDep, page: PageRequestDep
) -> Page[AuditLogRead]:
    """Return what was changed in the tenant, newest first; type and id of an entity give its history."""
    return await logs.page(page, wanted)
