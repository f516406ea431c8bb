"""Pages for people whom the service gives a password."""

import httpx
import pytest

from app.core.settings import DevSettings, Settings
from app.main import create_app
from app.schemas.passwords import RegistrationPreview


async def page(settings: Settings, path: str, **dev: str) -> httpx.Response:
    development = {"environment": "dev", "dev": DevSettings.model_validate(dev)}
    app = create_app(settings.model_copy(update=development))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.get(path)


@pytest.mark.parametrize("path", ["/verify-email", "/reset-password", "/accept-invite"])
async def test_where_mails_lead_in_development(settings: Settings, path: str) -> None:
    answer = await page(settings, path)
    assert answer.status_code == 200
    assert "<form" in answer.text


async def test_a_verification_is_shown_before_it_is_confirmed(settings: Settings) -> None:
    answer = await page(settings, "/verify-email")
    assert 'data-lookup="/auth/verify-email/lookup"' in answer.text
    for field in RegistrationPreview.model_fields.keys() - {"email", "sets_password"}:
        assert f'data-name="{field}"' in answer.text
    assert 'data-if="sets_password"' in answer.text
    assert 'name="new_password"' in answer.text


async def test_the_start_page_tells_the_samples_password(settings: Settings) -> None:
    answer = await page(settings, "/", seed_password="pa&ss")
    assert "pa&amp;ss" in answer.text
    assert 'data-action="/auth/login"' in answer.text
