"""The tenants of a user."""

from app.api.dependencies.admission import CurrentUser
from app.api.dependencies.pages import PageRequestDep
from app.api.dependencies.tenants import Founder, TenantCreationDep, TenantRegistryDep
from app.api.problems import problems
from app.api.routing import APIRouter
from app.core.errors import AssumedIdentityForbidden, EmailNotVerified, SlugTaken, TenantNotFound
from app.core.roles import Role
from app.core.slugs import Slug
from app.models.public.tenants import TenantStatus
from app.schemas.base import Page
from app.schemas.tenants import TenantCreate, TenantRead

router = APIRouter(prefix="/tenants", tags=["tenants"])


@router.post(
    "",
    status_code=202,
    responses=problems(SlugTaken, EmailNotVerified, AssumedIdentityForbidden),
)
async def create_tenant(
    body: TenantCreate, user: Founder, tenants: TenantCreationDep
) -> TenantRead:
    """Create a tenant with the caller as its owner; it is ready when its status says so."""
    tenant = await tenants.create(
        slug=body.slug, name=body.name, owner_id=user.id, status=TenantStatus.PROVISIONING
    )
    return TenantRead.of(tenant, Role.OWNER)


@router.get("")
async def list_tenants(
    user: CurrentUser, tenants: TenantRegistryDep, page: PageRequestDep
) -> Page[TenantRead]:
    """Return the tenants that the caller belongs to, newest first, in every state but `deleted`."""
    return await tenants.page_of_member(user.id, page)


@router.get("/{slug}", responses=problems(TenantNotFound))
async def get_tenant(slug: Slug, user: CurrentUser, tenants: TenantRegistryDep) -> TenantRead:
    """Return one of the caller's tenants, so that its provisioning can be watched."""
    return await tenants.read_by_slug(slug, user_id=user.id)
