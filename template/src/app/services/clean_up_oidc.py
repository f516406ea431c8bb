"""Removes sign-ins through the identity provider that are over."""

from sqlalchemy import func
from sqlmodel import col

from app.core.db.database import Database
from app.core.settings import TenantSettings
from app.models.public.provider_sign_ins import ProviderSignIn
from app.services.due_rows import delete_due


class SignInCleanUp:
    """The part of the clean-up that is about signing in."""

    def __init__(self, database: Database, _settings: TenantSettings) -> None:
        self.database = database

    async def run(self) -> None:
        """Remove everything that is due."""
        await delete_due(
            self.database, col(ProviderSignIn.id), col(ProviderSignIn.expires_at) < func.now()
        )
