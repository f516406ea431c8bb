"""Who sees a tenant that waits for its owner's address to be proven."""

from typing import Final

from sqlalchemy import exists, literal_column, or_
from sqlmodel import col

from app.models.public.tenants import Tenant
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User

# Whoever has proven the address has not asked for it, until its mail is answered: a stranger may have.
IS_SHOWN: Final = or_(
    col(Tenant.status) != literal_column("'pending'"),
    exists().where(
        col(User.id) == col(UserTenantMembership.user_id), col(User.email_verified_at).is_(None)
    ),
)
"""Of a membership and its tenant: to list them to the member."""
