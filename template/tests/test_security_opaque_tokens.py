"""Tokens that are stored as digests."""

import re
from typing import Any
from uuid import UUID

import pytest

from app.core.security.opaque_tokens import DerivedTokens, digest, is_well_formed, new_token
from app.core.security.token_settings import TokenSettings

ROW = UUID("0198c0de-0000-7000-8000-00000000000a")


def tokens(**changes: Any) -> DerivedTokens:
    values: dict[str, Any] = {"keys": {"a": "a" * 48, "b": "b" * 48}, "active_kid": "a"}
    return DerivedTokens(TokenSettings.model_validate(values | changes))


def test_new_tokens_differ_and_have_the_shape() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(is_well_formed(token) for token in made)


@pytest.mark.parametrize(
    "text",
    ["", "x", "x" * 42, "x" * 44, "x" * 42 + "=", "x" * 42 + "\n", "x" * 42 + "é", "\x00" * 43],
    ids=repr,
)
def test_garbage_is_seen_without_a_look_up(text: str) -> None:
    assert not is_well_formed(text)


def test_a_derived_token_depends_on_key_purpose_and_row() -> None:
    derived = tokens().derive("invite", ROW)
    assert derived == tokens().derive("invite", ROW)
    assert is_well_formed(derived)
    others = {
        tokens().derive("reset", ROW),
        tokens().derive("invite", UUID(int=ROW.int + 1)),
        tokens(active_kid="b").derive("invite", ROW),
    }
    assert len(others | {derived}) == 4


def test_a_token_outlives_a_rotation_of_the_active_key() -> None:
    before = tokens().derive("invite", ROW)
    assert tokens(active_kid="b").recover("invite", ROW, digest(before)) == before
    with pytest.raises(LookupError):
        tokens(keys={"b": "b" * 48}, active_kid="b").recover("invite", ROW, digest(before))


def test_a_digest_is_not_the_token() -> None:
    token = new_token()
    assert len(digest(token)) == 32
    assert token.encode() not in digest(token)
    assert re.fullmatch(r"[0-9a-f]{64}", digest(token).hex())
