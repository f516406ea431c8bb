"""Access tokens of the provider, and its keys: what is accepted, and how often it is asked (RFC 8725)."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from app.core.oidc.identity_provider import IdentityProvider
from app.core.oidc.settings import OidcSettings
from app.core.oidc.transport import Transport
from app.core.oidc_errors import ProviderTokenInvalid, ProviderUnavailable
from tests.patience import PATIENCE_SECONDS
from tests.provider import AUDIENCE, CLIENT, Issuer, new_issuer, person, sections

PERSON = person("ada@example.test")
LONG_AGO, YEAR_2100 = 1_000_000_000, 4_102_444_800
WRONG_CLAIMS: list[dict[str, Any]] = [
    {"iss": "https://evil.test"},
    {"aud": "another"},
    {"aud": CLIENT},
    {"aud": None},
    {"aud": []},
    {"azp": "another"},
    {"azp": None},
    {"azp": None, "client_id": "another"},
    {"client_id": "another"},
    {"azp": [CLIENT]},
    {"exp": LONG_AGO},
    {"exp": None},
    {"exp": "soon"},
    {"nbf": YEAR_2100},
    {"iat": YEAR_2100},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
]
HEADERS: list[dict[str, Any]] = [
    {"kid": None},
    {"kid": "unknown"},
    {"kid": 7},
    {"kid": "../../dev/null"},
    {"typ": "sign-in+jwt"},
    {"typ": 7},
    {"alg": "none"},
    {"alg": "None"},
    {"alg": "HS256"},
    {"alg": "RS512"},
    {"alg": ["RS256"]},
    {"crit": ["exp"]},
]


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """An issuer of this module's own."""
    return Issuer(new_issuer())


@asynccontextmanager
async def trusting(issuer: str, **changes: Any) -> AsyncIterator[IdentityProvider]:
    settings = OidcSettings.model_validate(sections(issuer)["oidc"] | changes)
    provider = IdentityProvider(settings, public_url="http://testserver", skew_seconds=10)
    yield provider
    await provider.close()


@pytest.fixture(scope="module")
async def provider(issuer: Issuer) -> AsyncIterator[IdentityProvider]:
    async with trusting(issuer.url, keys_ttl="PT1H", keys_interval="PT1H") as provider:
        yield provider


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def refused(provider: IdentityProvider, token: str) -> None:
    with pytest.raises(ProviderTokenInvalid):
        await provider.identify(token)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize(
    "claims",
    [{}, {"azp": None, "client_id": CLIENT}, {"aud": [AUDIENCE, "another"]}, {"nonce": "x"}],
    ids=repr,
)
async def test_a_token_for_this_api(
    issuer: Issuer, provider: IdentityProvider, algorithm: str, claims: dict[str, Any]
) -> None:
    kid = (await issuer.keys())[algorithm]["kid"]
    found = await provider.identify(await issuer.token(kid=kid, **PERSON, **claims))
    assert (found.issuer, found.subject) == (issuer.url, "dev|ada@example.test")
    assert (found.verified_email, found.full_name) == ("ada@example.test", "Ada Lovelace")


@pytest.mark.parametrize("claims", WRONG_CLAIMS, ids=repr)
async def test_claims_that_do_not_hold(
    issuer: Issuer, provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    await refused(provider, await issuer.token(**(PERSON | claims)))


async def test_another_client_may_be_authorized(issuer: Issuer) -> None:
    token = await issuer.token(**PERSON, azp="mobile")
    async with trusting(issuer.url, authorized_clients=["mobile"]) as provider:
        assert (await provider.identify(token)).subject == PERSON["sub"]


async def test_without_an_audience_no_token_is_accepted(issuer: Issuer) -> None:
    token = await issuer.token(**PERSON)
    async with trusting(issuer.url, audience=None) as provider:
        await refused(provider, token)


@pytest.mark.parametrize("changes", HEADERS, ids=repr)
async def test_headers_that_do_not_hold(
    issuer: Issuer, provider: IdentityProvider, changes: dict[str, Any]
) -> None:
    header, payload, signature = (await issuer.token(**PERSON)).split(".")
    wrong = encoded(decoded(header) | changes)
    await refused(provider, f"{wrong}.{payload}.{signature}")
    await refused(provider, f"{wrong}.{payload}.")


async def test_nobody_signs_with_the_public_key(issuer: Issuer, provider: IdentityProvider) -> None:
    keys = await issuer.keys()
    claims = decoded((await issuer.token(**PERSON)).split(".")[1])
    for key in keys.values():
        for secret in (
            json.dumps(key).encode(),
            base64.urlsafe_b64decode(f"{key.get('n') or key.get('x')}=="),
            key["kid"].encode(),
            b"",
        ):
            for algorithm in ("HS256", key["alg"]):
                header = {"alg": algorithm, "kid": key["kid"], "typ": "JWT"}
                signed = f"{encoded(header)}.{encoded(claims)}"
                mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
                await refused(provider, f"{signed}.{encoded(mac)}")


async def test_a_key_in_the_header_is_not_even_looked_at(
    issuer: Issuer, provider: IdentityProvider
) -> None:
    evil = Issuer()
    key = (await evil.keys())["ES256"]
    header = {"jwk": key, "jku": f"{evil.url}/jwks", "x5u": f"{evil.url}/jwks"}
    claims = {**PERSON, "iss": issuer.url}
    asked = await evil.hits("/jwks")
    await refused(provider, await evil.token(kid=key["kid"], header=header, **claims))
    known = (await issuer.keys())["ES256"]["kid"]
    forged = await evil.token(kid=key["kid"], header={**header, "kid": known}, **claims)
    await refused(provider, forged)
    assert await evil.hits("/jwks") == asked


async def test_a_token_that_was_changed(issuer: Issuer, provider: IdentityProvider) -> None:
    header, payload, signature = (await issuer.token(**PERSON)).split(".")
    other = encoded(decoded(payload) | {"sub": "somebody else"})
    keys = await issuer.keys()
    swapped = {
        keys["RS256"]["kid"]: keys["ES256"]["kid"],
        keys["ES256"]["kid"]: keys["RS256"]["kid"],
    }
    moved = encoded(decoded(header) | {"kid": swapped[decoded(header)["kid"]]})
    for token in (
        f"{header}.{other}.{signature}",
        f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        f"{moved}.{payload}.{signature}",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature}.x",
        f"{header}.{payload}=.{signature}",
        "x",
        "...",
        "\x00.\x00.\x00",
        "é.é.é",
        f"{encoded([])}.{payload}.{signature}",
        f"{encoded(b'[' * 5000)}.{payload}.{signature}",
        "a" * 20_000,
    ):
        await refused(provider, token)


async def test_what_a_token_lacks_is_asked_of_the_provider(
    issuer: Issuer, provider: IdentityProvider
) -> None:
    await issuer.control(people={"quiet": {"email": "quiet@example.test", "email_verified": True}})
    found = await provider.identify(await issuer.token(sub="quiet"))
    assert found.verified_email == "quiet@example.test"
    await issuer.control(people={"quiet": {"sub": "loud", "email": "loud@example.test"}})
    await refused(provider, await issuer.token(sub="quiet"))


async def test_a_rotated_key_is_fetched_and_a_withdrawn_one_forgotten() -> None:
    issuer = Issuer()
    async with trusting(issuer.url, keys_ttl="PT1H", keys_interval="PT0S") as provider:
        old = (await issuer.keys())["ES256"]["kid"]
        before = await issuer.token(kid=old, **PERSON)
        assert (await provider.identify(before)).subject == PERSON["sub"]
        new = (await issuer.control(key="ES256"))["kid"]
        assert (await provider.identify(await issuer.token(kid=new, **PERSON))).subject
        await issuer.control(withdrawn=[old])
        # Fetching for a key that nobody has brings the news.
        await refused(provider, await issuer.token(header={"kid": "unknown"}, **PERSON))
        await refused(provider, before)


async def test_keys_are_believed_for_a_while_only() -> None:
    issuer = Issuer()
    kid = (await issuer.keys())["ES256"]["kid"]
    token = await issuer.token(kid=kid, **PERSON)
    async with trusting(issuer.url, keys_ttl="PT0.001S") as provider:
        await provider.identify(token)
        await issuer.control(withdrawn=[kid])
        await refused(provider, token)
        await issuer.control(broken=["/jwks"])
        with pytest.raises(ProviderUnavailable):
            await provider.identify(token)


async def test_unknown_keys_do_not_hammer_the_provider() -> None:
    issuer = Issuer()
    async with trusting(issuer.url, keys_ttl="PT1H", keys_interval="PT1H") as provider:
        assert (await provider.identify(await issuer.token(**PERSON))).subject
        for n in range(5):
            await refused(provider, await issuer.token(header={"kid": f"unknown-{n}"}, **PERSON))
        assert await issuer.hits("/jwks") == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.test"},
        {"issuer": None},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"token_endpoint": "http://127.0.0.1:1/token"},
        {"authorization_endpoint": "https://evil.test/authorize"},
        {"userinfo_endpoint": "http://evil.test/userinfo"},
    ],
    ids=repr,
)
async def test_discovery_leads_to_trusted_hosts_alone(metadata: dict[str, Any]) -> None:
    issuer = Issuer()
    await issuer.control(metadata=metadata)
    async with trusting(issuer.url) as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.identify(await issuer.token(**PERSON))


async def test_a_host_may_be_trusted() -> None:
    issuer = Issuer()
    await issuer.control(metadata={"userinfo_endpoint": "http://users.internal/userinfo"})
    async with trusting(issuer.url, trusted_hosts=["users.internal"]) as provider:
        assert (await provider.identify(await issuer.token(**PERSON))).subject


async def test_a_provider_may_have_no_page_to_leave() -> None:
    issuer = Issuer()
    await issuer.control(metadata={"end_session_endpoint": None})
    async with trusting(issuer.url) as provider:
        assert await provider.end_session_url("https://a.test/bye") == "https://a.test/bye"


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
@pytest.mark.parametrize("fault", ["hanging", "broken"])
async def test_a_provider_that_does_not_answer(
    path: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer, asked = Issuer(), []
    original = Transport.get

    async def get(self: Transport, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
        asked.append(url.removeprefix(issuer.url))
        with monkeypatch.context() as patch:
            if asked[-1] != path:
                # It answers the rest, be it late.
                patch.setattr(self, "_timeout_seconds", PATIENCE_SECONDS)
                patch.setattr(self._client, "timeout", httpx.Timeout(PATIENCE_SECONDS))
            return await original(self, url, **options)

    monkeypatch.setattr(Transport, "get", get)
    token = await issuer.token(**PERSON)
    await issuer.control(**{fault: [path]})
    async with trusting(
        issuer.url, timeout="PT0.2S", keys_ttl="PT1H", keys_interval="PT1H"
    ) as provider:
        for _ in range(3):
            with pytest.raises(ProviderUnavailable):
                await provider.identify(token)
        assert asked.count(path) == 1, "it is left alone for a while"


async def test_nothing_listens() -> None:
    async with trusting("http://127.0.0.1:1/gone") as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.authorization_url(state="s", nonce="n", verifier="v", login_hint=None)
