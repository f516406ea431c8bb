"""Pages for people who sign in through the identity provider."""

import httpx
import pytest

from app.core.settings import Settings
from app.main import create_app


async def page(settings: Settings, path: str, environment: str = "dev") -> httpx.Response:
    app = create_app(settings.model_copy(update={"environment": environment}))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.get(path)


@pytest.mark.parametrize("path", ["/", "/signed-in", "/accept-invite"])
async def test_pages_of_development(settings: Settings, path: str) -> None:
    answer = await page(settings, path)
    assert answer.status_code == 200
    assert "script-src 'self';" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(("path", "marked"), [("/", "data-sign-in"), ("/accept-invite", "joined")])
async def test_pages_that_sign_in(settings: Settings, path: str, marked: str) -> None:
    answer = await page(settings, path)
    assert marked in answer.text
    assert '<script type="module" src="pages/provider.js">' in answer.text
    script = await page(settings, "/pages/provider.js")
    assert script.headers["content-type"].startswith("text/javascript")


async def test_they_stay_in_development(settings: Settings) -> None:
    for path in ("/signed-in", "/pages/provider.js"):
        assert (await page(settings, path, "test")).status_code == 404
