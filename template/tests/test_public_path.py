"""Below a path of a host, as `PUBLIC_URL` says, with a proxy that hands that path on and with one that does not."""

import re
from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest

from app.core.settings import Settings
from app.core.tenant_urls import TenantUrls
from app.main import create_app
from tests.answers import problem
from tests.factories import Factory
from tests.lifespan import started
from tests.sections import probe_settings
from tests.sending import address

ROOT: Final = "/svc/eu"
LINK: Final = re.compile(r"""(?:href=|src=|url: |spec-url=)["']([^"']+)""")


class Proxy(httpx.ASGITransport):
    """Hands on what is below `ROOT`, whole or without it."""

    strips = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        path = request.url.raw_path.decode()
        assert path.startswith(ROOT), f"{path} is not below the service"
        if not self.strips:
            return await super().handle_async_request(request)
        url = request.url.copy_with(raw_path=path.removeprefix(ROOT).encode())
        handed_on = httpx.Request(request.method, url, headers=request.headers)
        return await super().handle_async_request(handed_on)


@pytest.fixture(params=[False, True], ids=["kept", "stripped"])
def below(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of a service in development that is below `ROOT`."""
    changed = {
        "environment": "dev",
        "public_url": f"{settings.public_url}{ROOT}",
        "http": settings.http.model_copy(update={"proxy_strips_path": request.param}),
    }
    return settings.model_copy(update=changed)


@pytest.fixture
async def browser(below: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """What a client outside of the proxy has."""
    app = create_app(below)
    transport = Proxy(app)
    transport.strips = below.http.proxy_strips_path
    async with started(app), httpx.AsyncClient(transport=transport) as client:
        client.base_url = httpx.URL(below.public_url)
        yield client


async def test_every_link_of_every_page_leads_to_the_service(browser: httpx.AsyncClient) -> None:
    pages, seen = ["/", "/accept-invite", "/verify-email", "/signed-in"], set[str]()
    for page in pages:
        answer = await browser.get(page)
        if answer.status_code == 404:
            continue  # Of another way to sign in.
        assert "script-src" in answer.headers["Content-Security-Policy"]
        for link in LINK.findall(answer.text):
            target = answer.url.join(link)
            if target.host == answer.url.host and str(target) not in seen:
                seen.add(str(target))
                led = await browser.get(target)
                assert led.status_code in (200, 405), f"{page} leads to {target}"
                if led.url.path.endswith(("/docs", "/redoc")):
                    pages.append(led.url.path.removeprefix(ROOT))
    assert {f"{browser.base_url}{path}" for path in ("docs", "openapi.json")} <= seen


async def test_the_document_names_the_path(browser: httpx.AsyncClient) -> None:
    document = (await browser.get("/openapi.json")).json()
    assert document["servers"][0]["url"] == ROOT
    assert all(ROOT in server["url"] for server in document["servers"])
    assert not any(path.startswith(ROOT) for path in document["paths"])


async def test_a_tenant_is_served_and_told_the_path_that_it_asked_for(
    browser: httpx.AsyncClient, factory: Factory
) -> None:
    owner = await factory.member("acme")
    url, headers = address("GET", "/projects", "acme")
    headers |= {"Authorization": f"Bearer {owner.token}"}
    assert (await browser.get(url, headers=headers)).status_code == 200
    refused = await browser.get(url, headers=headers | {"Authorization": ""})
    assert problem(refused) == (401, "unauthenticated")
    assert refused.json()["instance"] == f"{ROOT}{url}"


async def test_there_is_one_way_to_each_route(browser: httpx.AsyncClient) -> None:
    # Another would be past what the proxy refuses or limits by path.
    assert problem(await browser.get(f"{ROOT}/metrics")) == (404, "not-found")
    assert (await browser.get("/health/live")).status_code == 200


async def test_past_the_proxy_probes_alone_are_answered(below: Settings) -> None:
    app = create_app(below)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://testserver"
    ) as client:
        assert (await client.get("/metrics")).status_code == 200
        refused = await client.get("/docs" if not below.http.proxy_strips_path else f"{ROOT}/docs")
    assert problem(refused) == (404, "not-found")
    if not below.http.proxy_strips_path:
        assert "HTTP__PROXY_STRIPS_PATH" in refused.json()["detail"]


def test_a_tenants_address_has_the_path() -> None:
    urls = TenantUrls(probe_settings(public_url=f"https://testserver{ROOT}"))
    assert urls.of("acme").endswith(f"testserver{ROOT}")
