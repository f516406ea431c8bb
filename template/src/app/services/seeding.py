"""Two tenants with users and projects, to try the service out."""

from contextlib import suppress
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.core.db.sessions import LobbySession
from app.core.errors import ProjectNameTaken
from app.core.roles import Role
from app.core.security.passwords import Passwords
from app.models.public.tenants import Tenant, TenantStatus
from app.models.public.user_tenant_membership import UserTenantMembership
from app.models.public.users import User
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from app.repositories.public.memberships import MembershipRepository
from app.repositories.public.users import UserRepository
from app.repositories.tenant.projects import ProjectRepository
from app.schemas.projects import ProjectCreate
from app.services.audit_trail import Actor, AuditTrail
from app.services.background_work import BackgroundWork
from app.services.operator_accounts import OperatorAccounts
from app.services.project_service import ProjectService
from app.services.samples import SAMPLES, SUPERUSER, Sample
from app.services.tenant_creation import TenantCreation


class Seeding:
    """Adds what is missing and can be repeated. Tenants are made here and now, so that nothing else need run."""

    def __init__(self, work: BackgroundWork, passwords: Passwords) -> None:
        self.database = work.database
        self.provisioning = work.provisioning
        self.passwords = passwords

    async def run(self, password: str) -> None:
        """Add the samples; every user in them gets `password`, however easy to guess it is."""
        await self._user(SUPERUSER, password, superuser=True)
        for sample in SAMPLES:
            owner_id = await self._user(sample.owner, password)
            member_ids = [await self._user(email, password) for email in sample.members]
            tenant_id = await self._tenant(sample, owner_id)
            if tenant_id is not None:
                await self._join(tenant_id, member_ids)
                await self._add_projects(tenant_id, owner_id, sample.projects)

    async def _user(self, email: str, password: str, *, superuser: bool = False) -> UUID:
        async with self.database.lobby() as session:
            users = UserRepository(session)
            accounts = OperatorAccounts(users, AuditTrail(session, Actor()))
            user = await session.scalar(select(User).where(col(User.email) == email))
            if user is None:
                user = await accounts.create(
                    email=email,
                    full_name=_name(email),
                    password_hash=await self.passwords.hash(password),
                    superuser=superuser,
                )
            elif not await self.passwords.verify(user.password_hash, password):
                await accounts.set_password(user, await self.passwords.hash(password))
            return user.id

    async def _tenant(self, sample: Sample, owner_id: UUID) -> UUID | None:
        async with self.database.lobby() as session:
            tenant = await _find(session, sample.slug)
            if tenant is None:
                tenant = await TenantCreation(session, AuditTrail(session, Actor())).create(
                    slug=sample.slug,
                    name=sample.name,
                    owner_id=owner_id,
                    status=TenantStatus.PROVISIONING,
                )
            execution_id = await _provisioning_of(session, tenant.id)
        if execution_id is not None:
            await self.provisioning.run(execution_id)
        async with self.database.lobby() as session:
            ready = await _find(session, sample.slug)
        return ready.id if ready is not None and ready.status is TenantStatus.READY else None

    async def _join(self, tenant_id: UUID, user_ids: list[UUID]) -> None:
        async with self.database.lobby() as session:
            memberships = MembershipRepository(session)
            for user_id in user_ids:
                if await memberships.find_of(tenant_id, user_id) is None:
                    await _add_member(memberships, tenant_id, user_id)

    async def _add_projects(self, tenant_id: UUID, owner_id: UUID, names: tuple[str, ...]) -> None:
        async with self.database.tenant(tenant_id) as session:
            projects = ProjectService(
                ProjectRepository(session),
                AuditTrail(session, Actor(tenant_id=tenant_id)),
                user_id=owner_id,
                role=Role.OWNER,
            )
            for name in names:
                with suppress(ProjectNameTaken):
                    async with session.savepoint():
                        await projects.create(ProjectCreate(name=name))


async def _add_member(memberships: MembershipRepository, tenant_id: UUID, user_id: UUID) -> None:
    await memberships.add(
        UserTenantMembership(tenant_id=tenant_id, user_id=user_id, role=Role.MEMBER)
    )
    joined = await memberships.read_member(tenant_id, user_id)
    await AuditTrail(memberships.session, Actor()).record(
        "member.joined", "member", user_id, after=joined, tenant_id=tenant_id
    )


async def _find(session: LobbySession, slug: str) -> Tenant | None:
    return await session.scalar(
        select(Tenant).where(col(Tenant.slug) == slug, col(Tenant.status) != TenantStatus.DELETED)
    )


async def _provisioning_of(session: LobbySession, tenant_id: UUID) -> UUID | None:
    return await session.scalar(
        select(col(WorkflowExecution.id)).where(
            col(WorkflowExecution.tenant_id) == tenant_id,
            col(WorkflowExecution.kind) == WorkflowKind.PROVISION_TENANT,
            col(WorkflowExecution.finished_at).is_(None),
        )
    )


def _name(email: str) -> str:
    return email.partition("@")[0].title()
