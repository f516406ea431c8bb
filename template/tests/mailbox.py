"""The mails that the service would send: written by its own code, kept instead of sent."""

import re

from sqlalchemy import select
from sqlmodel import col

from app.api.dependencies.components import Components
from app.core.mail import Message
from app.core.mail_texts import MailTexts
from app.models.public.workflow_executions import WorkflowExecution, WorkflowKind, WorkflowStatus
from app.repositories.public.workflow_queue import WorkflowQueue
from app.services.email_delivery import EmailDelivery

_TOKEN = re.compile(r"^Token: ([A-Za-z0-9_-]{43})$", re.MULTILINE)


class Mailbox:
    """Does what background work does with requested mails, as a mailer that keeps them."""

    def __init__(self, components: Components) -> None:
        self.database = components.database
        self.kept: list[Message] = []
        self._delivery = EmailDelivery(
            components.database,
            self,
            MailTexts(components.settings.public_url, components.tenant_urls),
            components.derived_tokens,
        )

    async def send(self, message: Message) -> None:
        """Keep the message."""
        self.kept.append(message)

    async def of(self, email: str) -> list[Message]:
        """Deliver every requested mail and return those to this address, oldest first."""
        requested = (
            select(col(WorkflowExecution.id))
            .where(
                col(WorkflowExecution.kind) == WorkflowKind.SEND_EMAIL,
                col(WorkflowExecution.status) == WorkflowStatus.PENDING,
            )
            .order_by(col(WorkflowExecution.id))
        )
        async with self.database.lobby() as lobby:
            ids = await lobby.scalars(requested)
        for id in ids:
            await self._delivery.send(id)
            async with self.database.lobby() as lobby:
                await WorkflowQueue(lobby).close(id, WorkflowStatus.COMPLETED)
        return [message for message in self.kept if message.to == email]

    async def token(self, email: str) -> str:
        """Return the token in the newest mail to this address."""
        return token_in((await self.of(email))[-1])


def token_in(message: Message) -> str:
    """Return the token that a mail carries."""
    found = _TOKEN.findall(message.text)
    assert len(found) == 1, message.text
    return str(found[0])
