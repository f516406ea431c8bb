"""Random-looking tokens that are stored only as SHA-256."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from typing import Final
from uuid import UUID

from app.core.security.token_settings import TokenSettings

_BYTES: Final = 32
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def new_token() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(_BYTES)


def digest(token: str) -> bytes:
    """Return what is stored and looked up. No salt or stretching: the token has 256 bits itself."""
    return hashlib.sha256(token.encode()).digest()


def is_well_formed(token: str) -> bool:
    """Tell whether this can be a token of ours at all; what is not need not be looked up."""
    return _SHAPE.fullmatch(token) is not None


class DerivedTokens:
    """Tokens that the server computes again when it needs them, so that none is ever stored.

    A token is an HMAC of a row's id under a key of its own for each purpose (HKDF's expand step,
    RFC 5869): a token of one purpose says nothing about another's.
    """

    def __init__(self, settings: TokenSettings) -> None:
        active = settings.keys[settings.active_kid].get_secret_value().encode()
        others = [key.get_secret_value().encode() for key in settings.keys.values()]
        self._keys = [active, *(key for key in others if key != active)]

    def derive(self, purpose: str, row_id: UUID) -> str:
        """Return the token of a row."""
        return _token(self._keys[0], purpose, row_id)

    def recover(self, purpose: str, row_id: UUID, stored: bytes) -> str:
        """Return the token whose digest a row stores, also when its key is no longer the active one.

        Raises:
            LookupError: no key of the settings makes that digest; the key was removed.
        """
        for key in self._keys:
            token = _token(key, purpose, row_id)
            if hmac.compare_digest(digest(token), stored):
                return token
        raise LookupError(f"no key in AUTH__KEYS derives the {purpose} token of {row_id}")


def _token(key: bytes, purpose: str, row_id: UUID) -> str:
    mac = hmac.digest(_expand(key, purpose), row_id.bytes, "sha256")
    return urlsafe_b64encode(mac).rstrip(b"=").decode()


def _expand(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, b"opaque-token\x00" + purpose.encode() + b"\x01", "sha256")
