"""Tokens by which a client shows that it has signed in to an account before (ADR 0026)."""

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Final

from app.core.security.token_settings import TokenSettings

LIFETIME: Final = timedelta(days=90)
_ID_BYTES: Final = 16
_TIME_BYTES: Final = 8
_LENGTH: Final = 76  # base64 of an id, a time and a SHA-256


class DeviceTokens:
    """Tokens that open nothing: its holder's failures are counted apart from a stranger's.

    A token is an id and its end, with an HMAC over both and the account, under a key that is derived for this purpose
    (HKDF's expand step, RFC 5869).
    """

    def __init__(self, settings: TokenSettings) -> None:
        active = settings.keys[settings.active_kid].get_secret_value().encode()
        others = [key.get_secret_value().encode() for key in settings.keys.values()]
        self._keys = [_expand(key) for key in (active, *others)]

    def issue(self, account: str) -> str:
        """Return a new token for an account."""
        ends_at = int(time.time() + LIFETIME.total_seconds())
        content = secrets.token_bytes(_ID_BYTES) + ends_at.to_bytes(_TIME_BYTES)
        return urlsafe_b64encode(content + _mac(self._keys[0], content, account)).decode()

    def identify(self, token: str, account: str) -> str | None:
        """Return the id of a token that was issued for this account and has not expired, else `None`."""
        if len(token) != _LENGTH or not token.isascii():
            return None
        try:
            raw = urlsafe_b64decode(token)
        except ValueError:
            return None
        content, mac = raw[: _ID_BYTES + _TIME_BYTES], raw[_ID_BYTES + _TIME_BYTES :]
        is_ours = any(hmac.compare_digest(_mac(key, content, account), mac) for key in self._keys)
        if not is_ours or int.from_bytes(content[_ID_BYTES:]) <= time.time():
            return None
        return content[:_ID_BYTES].hex()


def _mac(key: bytes, content: bytes, account: str) -> bytes:
    return hmac.digest(key, content + hashlib.sha256(account.encode()).digest(), "sha256")


def _expand(key: bytes) -> bytes:
    return hmac.digest(key, b"device-token\x01", "sha256")
