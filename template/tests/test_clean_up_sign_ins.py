"""What the clean-up removes of sign-ins through the provider."""

import secrets
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.core.identifiers import utcnow
from app.core.settings import Settings
from app.models.public.provider_sign_ins import ProviderSignIn
from tests import background

pytestmark = pytest.mark.thorough


async def test_sign_ins_are_kept_until_their_cookie_has_expired(
    settings: Settings, admin_url: str
) -> None:
    async with (
        background.separate(settings, admin_url) as separate,
        background.working(separate) as work,
    ):
        user = await background.add_user(work)
        live, over = (
            ProviderSignIn(
                state_hash=secrets.token_bytes(32), user_id=user.id, expires_at=utcnow() + until
            )
            for until in (timedelta(minutes=1), -timedelta(seconds=1))
        )
        async with work.database.lobby() as lobby:
            await lobby.add(live)
            await lobby.add(over)

        await work.clean_up.run()

        async with work.database.lobby() as lobby:
            assert await lobby.scalars(select(col(ProviderSignIn.id))) == [live.id]
