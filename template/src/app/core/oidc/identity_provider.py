"""The identity provider, as the rest of the service sees it."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

from app.core.emails import normalise_email
from app.core.oidc.discovery import Discovery
from app.core.oidc.settings import OidcSettings
from app.core.oidc.tokens import Claims, ProviderTokens
from app.core.oidc.transport import Transport
from app.core.oidc_errors import ProviderTokenInvalid, SignInRefused

CALLBACK_PATH: Final = "/api/v1/auth/oidc/callback"

_MAX_NAME: Final = 200
_MAX_EMAIL: Final = 254


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    verified_email: str | None
    """Normalised; `None` if the provider has not verified an address."""
    full_name: str

    @classmethod
    def of(cls, claims: Claims, *, issuer: str) -> Self:
        """Read the claims of a verified token, or of the provider's own answer."""
        email = _verified_email(claims)
        return cls(issuer, claims["sub"], email, _full_name(claims, email))


class IdentityProvider:
    """Speaks to the provider of the settings, and to nobody else. One per process.

    Every method raises `ProviderUnavailable` when the provider does not answer in `OIDC__TIMEOUT`.
    """

    def __init__(self, settings: OidcSettings, *, public_url: str, skew_seconds: float) -> None:
        self.settings = settings
        self._transport = Transport(settings)
        self._discovery = Discovery(settings, self._transport)
        self._tokens = ProviderTokens(settings, self._discovery, skew_seconds=skew_seconds)
        self._redirect_uri = f"{public_url}{CALLBACK_PATH}"

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def authorization_url(
        self, *, state: str, nonce: str, verifier: str, login_hint: str | None
    ) -> str:
        """Return where a browser begins to sign in (RFC 6749 with RFC 7636)."""
        provider = await self._discovery.provider()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self.settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        if login_hint is not None:
            asked["login_hint"] = login_hint
        return _with_query(provider.authorization_endpoint, asked)

    async def end_session_url(self, return_to: str) -> str:
        """Return where a browser ends its session at the provider, or `return_to` if that has no such page.

        The provider sends it back only to an address that it knows (OpenID Connect RP-Initiated Logout 1.0).
        """
        url = (await self._discovery.provider()).end_session_endpoint
        if url is None:
            return return_to
        asked = {"client_id": self.settings.client_id, "post_logout_redirect_uri": return_to}
        return _with_query(url, asked)

    async def check_sender(self, issuer: str | None) -> None:
        """Refuse an answer that another provider has sent (RFC 9207).

        Raises:
            SignInRefused: `iss` of the answer is another, or it is missing although the provider sends it.
        """
        provider = await self._discovery.provider()
        missing = issuer is None and provider.names_itself
        if missing or issuer not in (None, self.settings.issuer):
            raise SignInRefused("The answer is of another identity provider.")

    async def redeem(self, code: str, *, verifier: str, nonce: str) -> Person:
        """Exchange an authorization code for the person who signed in.

        Raises:
            SignInRefused: the provider does not accept the code or its verifier.
            ProviderTokenInvalid: the ID token does not hold.
        """
        answer = await self._exchange(code, verifier)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise ProviderTokenInvalid
        claims = await self._tokens.verify_id_token(id_token, nonce=nonce)
        if "email" not in claims and isinstance(access_token, str):
            claims = await self._with_userinfo(claims, access_token)
        return Person.of(claims, issuer=self.settings.issuer)

    async def identify(self, access_token: str) -> Person:
        """Return the person of an access token for this API.

        Raises:
            ProviderTokenInvalid: it does not hold.
        """
        claims = await self._tokens.verify_access_token(access_token)
        if "email" not in claims:
            claims = await self._with_userinfo(claims, access_token)
        return Person.of(claims, issuer=self.settings.issuer)

    async def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        provider = await self._discovery.provider()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        basic: tuple[str, str] | None = None
        client_id, secret = self.settings.client_id, self.settings.client_secret
        if secret is None:
            form["client_id"] = client_id
        elif provider.posts_secret:
            form |= {"client_id": client_id, "client_secret": secret.get_secret_value()}
        else:
            # Encoded as a form first (RFC 6749, 2.3.1).
            basic = (quote(client_id, safe=""), quote(secret.get_secret_value(), safe=""))
        status, answer = await self._transport.post(provider.token_endpoint, form, basic=basic)
        if status != 200:
            raise SignInRefused
        return answer

    async def _with_userinfo(self, claims: Claims, access_token: str) -> Claims:
        url = (await self._discovery.provider()).userinfo_endpoint
        if url is None:
            return claims
        status, answer = await self._transport.get(url, bearer=access_token)
        if status != 200:
            return claims
        if answer.get("sub") != claims["sub"]:
            raise ProviderTokenInvalid
        # That an address is verified is said by whoever names it.
        known = {name: value for name, value in claims.items() if name != "email_verified"}
        return {**answer, **known}


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    # Half a surrogate pair, which JSON can carry, is a wrong verifier like any other.
    digest = hashlib.sha256(verifier.encode(errors="surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _with_query(url: str, values: dict[str, str]) -> str:
    separator = "&" if urlsplit(url).query else "?"
    return f"{url}{separator}{urlencode(values, quote_via=quote)}"


def _verified_email(claims: Claims) -> str | None:
    email, verified = claims.get("email"), claims.get("email_verified")
    # Some providers write the truth as text.
    if not (verified is True or verified == "true") or not isinstance(email, str):
        return None
    try:
        normalised = normalise_email(email)
    except ValueError:
        return None
    return normalised if len(normalised) <= _MAX_EMAIL else None


def _full_name(claims: Claims, email: str | None) -> str:
    names = [claims.get(name) for name in ("given_name", "family_name")]
    joined = " ".join(name for name in names if isinstance(name, str))
    for candidate in (claims.get("name"), joined, email):
        if isinstance(candidate, str):
            shown = "".join(c for c in " ".join(candidate.split()) if c.isprintable())
            if shown:
                return shown[:_MAX_NAME]
    return "—"
