"""Everything that can be asked for in the background, whichever engine asks."""

from dataclasses import dataclass
from typing import Self

from app.core.db.database import Database
from app.core.db.owner import OwnerDatabase
from app.core.mail import SmtpMailer
from app.core.mail_texts import MailTexts
from app.core.security.opaque_tokens import DerivedTokens
from app.core.settings import Settings
from app.core.tenant_urls import TenantUrls
from app.services.clean_up import CleanUp
from app.services.deletion import Deletion
from app.services.email_delivery import EmailDelivery
from app.services.provisioning import Provisioning
from app.services.workflow_outcomes import WorkflowOutcomes


@dataclass(frozen=True, slots=True)
class BackgroundWork:
    """One of each for the whole process; closed by who built it."""

    database: Database
    owner: OwnerDatabase
    provisioning: Provisioning
    deletion: Deletion
    email_delivery: EmailDelivery
    clean_up: CleanUp
    outcomes: WorkflowOutcomes

    @classmethod
    def build(cls, settings: Settings) -> Self:
        """Build everything; nothing connects yet.

        Raises:
            ValueError: `DATABASE__OWNER_URL` is not set.
        """
        database, owner = Database(settings.database), OwnerDatabase(settings.database)
        provisioning = Provisioning(owner, settings.database)
        deletion = Deletion(owner)
        delivery = EmailDelivery(
            database,
            SmtpMailer(settings.mail),
            MailTexts(settings.public_url, TenantUrls(settings)),
            DerivedTokens(settings.auth),
        )
        return cls(
            database=database,
            owner=owner,
            provisioning=provisioning,
            deletion=deletion,
            email_delivery=delivery,
            clean_up=CleanUp(database, settings.tenants),
            outcomes=WorkflowOutcomes(database, provisioning, deletion),
        )

    async def close(self) -> None:
        """Close the connections that are not in use."""
        await self.database.close()
        await self.owner.close()
