"""The tenant named by the host."""

import asyncio
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from uvicorn.server import ServerState

from app.api.context.tenant_subdomain import Hosts, TenantStrategy
from app.core.errors import TenantRequired
from app.core.host_errors import HostUnknown
from app.core.mail_texts import MailTexts
from app.core.roles import Role
from app.core.security.access_tokens import AccessClaims
from app.core.settings import Settings
from app.core.tenant_name_errors import TenantMismatch
from app.core.tenant_urls import TenantUrls
from app.dev.public_address import public_settings
from app.models.public.tenants import TenantStatus
from tests.factories import Factory
from tests.http_server import served
from tests.probe import Probe
from tests.sections import probe_settings


@cache
def example() -> Settings:
    return probe_settings(public_url="https://www.example.org", base_domain="example.com")


def claims(slug: str | None) -> AccessClaims:
    one = UUID(int=1)
    role = Role.MEMBER if slug else None
    return AccessClaims(one, one, one, one if slug else None, slug, role, None, 0, 1)


def slug_at(*hosts: bytes, token: str | None = "acme", settings: Settings | None = None) -> str:
    scope: dict[str, Any] = {"headers": [(b"host", host) for host in hosts], "state": {}}
    Hosts(settings or example()).note(scope)
    return TenantStrategy().tenant_of(scope, claims(token)).slug


@pytest.mark.parametrize("host", ["acme.example.com", "ACME.Example.Com", "acme.example.com:8000"])
def test_what_stands_before_the_base_domain_is_the_name(host: str) -> None:
    assert slug_at(host.encode()) == "acme"
    for token in ("globex", None):
        with pytest.raises(TenantMismatch):
            slug_at(host.encode(), token=token)


@pytest.mark.parametrize(
    "host", ["example.com", "example.com:443", "www.example.org", "Example.com"]
)
def test_the_lobbys_hosts_name_no_tenant(host: str) -> None:
    with pytest.raises(TenantRequired, match=r"https://\{tenant\}\.example\.com"):
        slug_at(host.encode())


def test_a_lobby_below_the_base_domain_is_shared_with_the_tenant_of_its_label() -> None:
    shared = probe_settings(public_url="https://my-app.example.com", base_domain="example.com")
    host = b"my-app.example.com"
    assert slug_at(host, token="my_app", settings=shared) == "my_app"
    for token in ("acme", None):
        with pytest.raises(TenantRequired):
            slug_at(host, token=token, settings=shared)


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"acme.example.com", b"globex.example.com"],
        [b"example.net"],
        [b"acme.example.net"],
        [b"x.acme.example.com"],
        [b".example.com"],
        [b"acmeexample.com"],
        [b"example.com.evil.net"],
        [b"acme.example.com@evil.net"],
        [b"evil.net:example.com"],
        [b"acme.www.example.org"],
        [b"127.0.0.1:8000"],
        [b"[::1]:8000"],
        [b"[::1]"],
        [b"[acme.example.com]"],
        [b"[acme.example.com]:8000"],
        [b"acme.example.com]"],
        [b"acme.example.com:99999"],
        [b"acme.example.com:65536"],
        [b"acme.example.com:+80"],
        [b"acme.example.com:8 0"],
        [b"acme.example.com:80:80"],
        [b"acme.example.com "],
        [b"[example.com]"],
        [b"\xe4.example.com.\xe4"],
    ],
)
def test_other_hosts_are_unknown(hosts: list[bytes]) -> None:
    with pytest.raises(HostUnknown):
        slug_at(*hosts)


@pytest.mark.parametrize("path", ["/api/v1/items", "/", "/docs", "/openapi.json", "/nothing"])
async def test_an_unknown_host_is_told_which_are_known(path: str) -> None:
    probe = Probe(example())
    async with probe.client() as client:
        answer = await client.get(path, headers={"Host": "evil.net"})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "/problems/host-unknown"
    assert "https://www.example.org" in problem["detail"]
    assert "evil" not in answer.text
    assert answer.headers["x-request-id"]


async def test_a_known_host_in_the_request_line_makes_none_of_an_unknown_one() -> None:
    async with served(Probe(example()).app, ServerState()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET http://acme.example.com/whoami HTTP/1.1\r\nHost: evil.net\r\n")
        writer.write(b"Connection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 421 "), answer
    assert b"evil" not in answer


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "evil.net", "acme.testserver"])
async def test_probes_may_use_any_host(client: httpx.AsyncClient, path: str, host: str) -> None:
    assert (await client.get(path, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["testserver", "acme.testserver", "nobody-has-it.testserver"])
async def test_the_lobbys_routes_answer_on_every_known_host(factory: Factory, host: str) -> None:
    user = await factory.signed_in()
    assert (await user.get("/users/me", headers={"Host": host})).status_code == 200
    document = await user.client.get("/openapi.json", headers={"Host": host})
    assert document.status_code == 200


async def test_an_underscore_in_a_slug_is_a_hyphen_in_its_host(factory: Factory) -> None:
    tenant = await factory.tenant("under_score", status=TenantStatus.READY)
    owner = await factory.member(tenant.slug, Role.OWNER)
    for host in ("under-score", "under_score"):
        answer = await owner.get("/tenant", tenant=host)
        assert answer.json()["slug"] == "under_score", answer.text
    assert (await owner.get("/tenant", tenant="underscore")).status_code == 403


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_development_works_below_localhost(host: str, url: str) -> None:
    settings = {name.lower(): value for name, value in public_settings(host, 8000).items()}
    local = probe_settings(**settings)
    assert slug_at(b"acme.localhost:8000", settings=local) == "acme"
    assert TenantUrls(local).of("acme") == "http://acme.localhost:8000"
    for lobby in (f"{url}:8000", url, "localhost:8000"):
        with pytest.raises(TenantRequired):
            slug_at(lobby.encode(), settings=local)


def test_mails_about_a_tenant_lead_to_its_host() -> None:
    texts = MailTexts(TenantUrls(example()))
    hour = timedelta(hours=1)
    invite = texts.invite(
        "a@b.test",
        invited_by="Bob",
        tenant_name="Acme",
        tenant_slug="ac_me",
        role=Role.MEMBER,
        token="t",
        valid=hour,
    )
    welcome = texts.welcome("a@b.test", full_name="Ada", tenant_name="Acme", tenant_slug="acme")
    assert "\nhttps://ac-me.example.com/accept-invite?token=t\n" in invite.text
    assert "\nhttps://acme.example.com\n" in welcome.text


def test_openapi_says_where_tenants_are_and_calls_this_host_alone(app: FastAPI) -> None:
    document = app.openapi()
    assert [server["url"] for server in document["servers"]] == ["/"]
    assert "http://{tenant}.testserver" in document["info"]["description"]
    for path, refused in (("/api/v1/users/me", True), ("/health/live", False)):
        assert ("421" in document["paths"][path]["get"]["responses"]) is refused


@pytest.mark.parametrize(
    "domain",
    ["", "https://example.com", "example.com:8000", "-example.com", "exa mple", "a..b", "."],
)
def test_a_wrong_base_domain_is_explained(domain: str) -> None:
    with pytest.raises(ValidationError, match=r"must be (a domain such as|example\.com)"):
        probe_settings(base_domain=domain)
