"""The clean-up."""

from temporalio import activity

from app.core.db.database import Database
from app.services.clean_up import CleanUp
from app.services.clean_up_requests import request_clean_up
from app.temporal.contract import Activity


class CleanUpActivities:
    """The steps of `CleanUp` and `RequestCleanUp`."""

    def __init__(self, clean_up: CleanUp, database: Database) -> None:
        self.clean_up = clean_up
        self.database = database

    @activity.defn(name=Activity.REQUEST_CLEAN_UP)
    async def request(self) -> None:
        """Ask for a clean-up, unless one is waiting or running."""
        await request_clean_up(self.database)

    @activity.defn(name=Activity.CLEAN_UP)
    async def run(self) -> None:
        """Remove everything that is due."""
        await self.clean_up.run()
