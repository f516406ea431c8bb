"""Device tokens: whose they are, how long, and under which keys."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta

import pytest
from pydantic import SecretStr

from app.core.security import device_tokens
from app.core.security.device_tokens import DeviceTokens
from app.core.security.token_settings import TokenSettings

ACCOUNT = "ada@example.test"


def tokens(active: str, *kept: str) -> DeviceTokens:
    keys = {kid: SecretStr(kid * 32) for kid in (active, *kept)}
    return DeviceTokens(TokenSettings(keys=keys, active_kid=active))


def test_a_token_is_one_accounts_and_differs_from_the_next() -> None:
    ours = tokens("a")
    first, second = ours.issue(ACCOUNT), ours.issue(ACCOUNT)
    ids = {ours.identify(first, ACCOUNT), ours.identify(second, ACCOUNT)}
    assert len(ids) == 2
    assert None not in ids
    assert ours.identify(first, "bob@example.test") is None


def test_a_kept_key_still_counts_and_a_removed_one_does_not() -> None:
    token = tokens("a").issue(ACCOUNT)
    assert tokens("b", "a").identify(token, ACCOUNT) is not None
    assert tokens("b").identify(token, ACCOUNT) is None


def test_a_token_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_tokens, "LIFETIME", timedelta(seconds=0))
    ours = tokens("a")
    assert ours.identify(ours.issue(ACCOUNT), ACCOUNT) is None


def test_each_changed_byte_is_noticed() -> None:
    ours = tokens("a")
    raw = urlsafe_b64decode(ours.issue(ACCOUNT))
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert ours.identify(urlsafe_b64encode(changed).decode(), ACCOUNT) is None
