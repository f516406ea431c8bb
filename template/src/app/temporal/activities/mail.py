"""Mail."""

from temporalio import activity

from app.services.email_delivery import EmailDelivery
from app.temporal.contract import Activity, Execution


class MailActivities:
    """The step of `SendEmail`."""

    def __init__(self, delivery: EmailDelivery) -> None:
        self.delivery = delivery

    @activity.defn(name=Activity.SEND_EMAIL)
    async def send_email(self, execution: Execution) -> None:
        """Write and send the mail, if it is still wanted."""
        await self.delivery.send(execution.id)
