"""Removes what is over of both ways to sign in."""

from sqlalchemy import func
from sqlmodel import col

from app.core.db.database import Database
from app.core.settings import TenantSettings
from app.models.public.vouched_sessions import VouchedSession
from app.services import clean_up_oidc, clean_up_password
from app.services.due_rows import delete_due


class SignInCleanUp:
    """The part of the clean-up that is about signing in."""

    def __init__(self, database: Database, settings: TenantSettings) -> None:
        self.database = database
        self.settings = settings

    async def run(self) -> None:
        """Remove everything that is due."""
        await clean_up_password.SignInCleanUp(self.database, self.settings).run()
        await clean_up_oidc.SignInCleanUp(self.database, self.settings).run()
        await delete_due(
            self.database, col(VouchedSession.id), col(VouchedSession.expires_at) < func.now()
        )
