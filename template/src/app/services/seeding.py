"""Two tenants with users and projects, to try the service out."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.core.db.sessions import LobbySession
from app.core.errors import ProjectNameTaken
from app.core.identifiers import utcnow
from app.core.roles import Role
from app.core.security.passwords import Passwords
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.users import UserRepository
from app.repositories.tenant.projects import ProjectRepository
from app.schemas.projects import ProjectCreate
from app.services.audit_trail import Actor, AuditTrail
from app.services.background_work import BackgroundWork
from app.services.project_service import ProjectService
from app.services.tenant_creation import TenantCreation
