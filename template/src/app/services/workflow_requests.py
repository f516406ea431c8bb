"""Asks for background work. The row is the request: it commits with the change that needs the work (ADR 0005)."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from app.core.db.sessions import LobbySession
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind
from app.repositories.public.workflow_executions import WorkflowExecutionRepository


class Mail(StrEnum):
    """The mails that the service sends; each names what its `subject` is the id of."""

    VERIFY_EMAIL = "verify_email"
    """A row of `email_verifications`."""
    CONFIRM_TENANT = "confirm_tenant"
    """A row of `email_verifications`, of a user who had an account already."""
    RESET_PASSWORD = "reset_password"  # noqa: S105 - the name of a mail
    """A row of `email_verifications`."""
    INVITE = "invite"
    """A row of `tenant_invites`."""
    WELCOME = "welcome"
    """A row of `users`."""


class WorkflowRequests:
    """Writes requests that are found after the commit. Nothing here knows which engine carries them out."""

    def __init__(self, session: LobbySession) -> None:
        self.executions = WorkflowExecutionRepository(session)

    async def provision_tenant(self, tenant_id: UUID) -> WorkflowExecution:
        """Have the tenant's role, schema and tables made."""
        return await self._add(WorkflowKind.PROVISION_TENANT, tenant_id=tenant_id)

    async def delete_tenant(self, tenant_id: UUID) -> WorkflowExecution:
        """Have the tenant's schema dropped when its grace period ends."""
        return await self._add(WorkflowKind.DELETE_TENANT, tenant_id=tenant_id)

    async def send_email(
        self,
        mail: Mail,
        subject: UUID,
        *,
        user_id: UUID | None = None,
        tenant_id: UUID | None = None,
    ) -> WorkflowExecution:
        """Have a mail written and sent; the row holds ids, the rest is looked up when it is written."""
        payload = {"mail": mail.value, "subject": str(subject)}
        return await self._add(
            WorkflowKind.SEND_EMAIL, tenant_id=tenant_id, user_id=user_id, payload=payload
        )

    async def _add(self, kind: WorkflowKind, **values: Any) -> WorkflowExecution:
        return await self.executions.add(WorkflowExecution(kind=kind, **values))
