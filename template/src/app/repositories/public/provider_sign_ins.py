"""Sign-ins that came back from the identity provider."""

from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, update
from sqlmodel import col

from app.core.oidc_errors import SignInInvalid
from app.models.public.provider_sign_ins import ProviderSignIn
from app.repositories.base import LobbyRepository


class RedeemedSignIn(BaseModel):
    """What a code stands for."""

    user_id: UUID
    tenant_id: UUID | None
    code_challenge: str | None


class ProviderSignInRepository(LobbyRepository[ProviderSignIn]):
    model = ProviderSignIn
    conflicts = {"uq_provider_sign_ins_state_hash": SignInInvalid}

    async def use(self, code_hash: bytes) -> RedeemedSignIn | None:
        """Use the code up; `None` if it cannot be used, so that of several callers one succeeds."""
        changed = await self.session.execute(
            update(ProviderSignIn)
            .where(
                col(ProviderSignIn.code_hash) == code_hash,
                col(ProviderSignIn.code_expires_at) > func.now(),
            )
            .values(code_hash=None)
            .returning(
                col(ProviderSignIn.user_id),
                col(ProviderSignIn.tenant_id),
                col(ProviderSignIn.code_challenge),
            )
            .execution_options(synchronize_session=False)
        )
        row = changed.mappings().one_or_none()
        return None if row is None else RedeemedSignIn.model_validate(dict(row))
