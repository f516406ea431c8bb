"""The identity provider of the tests: `oauth2-mock-server` over HTTP, with an issuer for whoever needs one."""

import secrets
import ssl
from functools import cache
from typing import Any, Final

import httpx

from tests.patience import PATIENCE, PATIENCE_SECONDS
from tests.servers import embedded, provider

CLIENT, AUDIENCE = "app", "service"
REQUIRED: Final = {"OIDC__ISSUER": "https://login.example.com", "OIDC__CLIENT_ID": "app"}
WRONG: Final = [
    ("OIDC__ISSUER", "http://login.example.com", "must look like https://"),
    ("OIDC__ISSUER", "login.example.com", "must look like https://"),
    ("OIDC__ISSUER", "https://login.example.com?x=1", "no query"),
    ("OIDC__ISSUER", "https://hid@login.example.com", "no user"),
    ("OIDC__CLIENT_ID", "", "at least 1 character"),
    ("OIDC__CLIENT_SECRET", "", "at least 1"),
    ("OIDC__AUDIENCE", "", "at least 1 character"),
    ("OIDC__SCOPES", "email", "must contain openid"),
    ("OIDC__AUDIENCE", "app", "must differ from OIDC__CLIENT_ID"),
    ("OIDC__TRUSTED_HOSTS", "login.example.com", "must be JSON"),
    ("OIDC__TRUSTED_HOSTS", '["https://keys.example.com/"]', "must be keys.example.com."),
    ("OIDC__TIMEOUT", "PT0S", "between PT0.001S"),
    ("OIDC__TIMEOUT", "5", "ISO 8601 duration"),
    ("OIDC__KEYS_TTL", "PT1S", "no less than OIDC__KEYS_INTERVAL"),
]


def sections(issuer: str | None = None) -> dict[str, Any]:
    """Return the section of the settings; without `issuer`, with one of this process's own."""
    return {
        "oidc": {
            "issuer": issuer or own_issuer(),
            "client_id": CLIENT,
            "audience": AUDIENCE,
            "timeout": PATIENCE,
            "keys_interval": "PT0S",
        }
    }


class Issuer:
    """One issuer of the provider, and how to make it misbehave."""

    def __init__(self, url: str | None = None) -> None:
        self.url = url or new_issuer("es256-")

    async def control(self, **command: Any) -> dict[str, Any]:
        """Send a command; `provider.mjs` says which there are."""
        async with outside() as client:
            answer = await client.post(f"{self.url}/control", json=command)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    async def token(
        self, *, kid: str | None = None, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Return an access token that the provider signs; `None` takes a claim away."""
        usual = {"aud": AUDIENCE, "azp": CLIENT, "sub": "somebody"}
        token = {"kid": kid, "header": header or {}, "claims": usual | claims}
        return str((await self.control(token={k: v for k, v in token.items() if v}))["token"])

    async def keys(self) -> dict[str, dict[str, Any]]:
        """Return the public keys by their algorithm."""
        return {key["alg"]: key for key in (await self.control())["keys"]}

    async def hits(self, path: str) -> int:
        """Return how often a path of the issuer was asked for."""
        return int((await self.control())["hits"].get(path, 0))


def outside() -> httpx.AsyncClient:
    """Return a client that goes to the provider over HTTP."""
    return httpx.AsyncClient(trust_env=False, verify=_certificates(), timeout=PATIENCE_SECONDS)


def address() -> str:
    """Return an address that nobody has."""
    return f"p-{secrets.token_hex(6)}@example.test"


def person(email: str, **claims: Any) -> dict[str, Any]:
    """Return the claims of somebody whose address is verified."""
    sub = f"dev|{email}"
    return {"sub": sub, "email": email, "email_verified": True, "name": "Ada Lovelace", **claims}


@cache
def _certificates() -> ssl.SSLContext:
    # Nothing here speaks TLS, but a client of its own would read them for each test.
    return httpx.create_ssl_context()


@cache
def own_issuer() -> str:
    """Return the issuer that this process's application trusts."""
    return new_issuer()


def new_issuer(prefix: str = "") -> str:
    """Return an issuer that nobody else uses; `es256-` makes one without a key for RS256, which is cheaper."""
    return f"{embedded.address(provider.VARIABLE)}/{prefix}{secrets.token_hex(6)}"
