"""What a browser keeps while its user is at the provider, and how nobody else can write it."""

import hmac
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import jwt

from app.core.oidc_errors import SignInInvalid
from app.core.security.opaque_tokens import new_token
from app.core.settings import Settings

_ALGORITHM: Final = "HS256"
_TYPE: Final = "sign-in+jwt"
_PURPOSE: Final = b"oidc-sign-in"
_MAX_LENGTH: Final = 4096


@dataclass(frozen=True, slots=True)
class SignInState:
    """One sign-in that was begun."""

    state: str
    nonce: str
    verifier: str
    """PKCE's, towards the provider."""
    tenant: str | None
    return_to: str | None
    """A URL that was allowed when the sign-in was begun."""
    code_challenge: str | None
    """PKCE's, of the page that gets the result."""
    exp: int
    """Seconds since the epoch."""


class SignInStates:
    """Signs states and reads them back, with keys derived from those of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._kid = settings.auth.active_kid
        # Keys of their own: what is signed for this purpose is worth nothing for another.
        self._keys = {
            kid: hmac.digest(key.get_secret_value().encode(), _PURPOSE, "sha256")
            for kid, key in settings.auth.keys.items()
        }
        self.ttl_seconds = int(settings.oidc.sign_in_ttl.total_seconds())

    def new(
        self, *, tenant: str | None, return_to: str | None, code_challenge: str | None
    ) -> SignInState:
        """Return a state with secrets of its own."""
        return SignInState(
            state=new_token(),
            nonce=new_token(),
            verifier=new_token(),
            tenant=tenant,
            return_to=return_to,
            code_challenge=code_challenge,
            exp=int(time.time()) + self.ttl_seconds,
        )

    def sign(self, state: SignInState) -> str:
        """Return the cookie's value."""
        header = {"kid": self._kid, "typ": _TYPE}
        return jwt.encode(asdict(state), self._keys[self._kid], _ALGORITHM, headers=header)

    def read(self, cookie: str | None, *, state: str) -> SignInState:
        """Return what the cookie holds, if it belongs to the answer that names `state`.

        Raises:
            SignInInvalid: it is missing, was not signed here, is over, or is of another sign-in.
        """
        known = self._open(cookie)
        if not hmac.compare_digest(known.state.encode(), state.encode("utf-8", "surrogatepass")):
            raise SignInInvalid
        return known

    def free_place(self, cookies: Sequence[str | None]) -> int:
        """Return the place of a cookie that is missing or worthless, or else of the one that ends first."""
        ends = [self._end_of(cookie) for cookie in cookies]
        return ends.index(min(ends))

    def place_of(self, cookies: Sequence[str | None], *, state: str) -> int:
        """Return the place of the cookie that `read` takes; the first where none is.

        With one name for each sign-in, a browser that begins many would send more cookies than a request may hold.
        """
        for place, cookie in enumerate(cookies):
            try:
                self.read(cookie, state=state)
            except SignInInvalid:
                continue
            return place
        return 0

    def _end_of(self, cookie: str | None) -> int:
        try:
            return self._open(cookie).exp
        except SignInInvalid:
            return 0

    def _open(self, cookie: str | None) -> SignInState:
        if cookie is None or len(cookie) > _MAX_LENGTH:
            raise SignInInvalid
        try:
            header = jwt.get_unverified_header(cookie)
            key = self._keys[header["kid"]] if header.get("typ") == _TYPE else b""
            values: dict[str, Any] = jwt.decode(cookie, key, [_ALGORITHM], {"require": ["exp"]})
            return SignInState(**values)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise SignInInvalid from None
