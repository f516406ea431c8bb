"""Hashing and judging passwords."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from app.core.errors import Unavailable
from app.core.logging import mask_secrets
from app.core.password_errors import PasswordTooWeak
from app.core.security import passwords as module
from app.core.security.password_settings import PasswordSettings
from app.core.security.passwords import Passwords

GOOD = "quiet-otter-carries-lamp"


def settings(**changes: Any) -> PasswordSettings:
    values: dict[str, Any] = {
        "keys": {"a": "a" * 48},
        "active_kid": "a",
        "hashing_memory_kib": 8192,
    }
    return PasswordSettings.model_validate(values | changes)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(settings())
    yield passwords
    passwords.close()


async def test_a_hash_fits_its_password_only(passwords: Passwords) -> None:
    stored = await passwords.hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert stored != await passwords.hash(GOOD)
    assert await passwords.verify(stored, GOOD)
    assert not await passwords.verify(stored, GOOD + " ")
    assert not await passwords.verify(stored, "")


async def test_a_hash_is_not_logged(passwords: Passwords) -> None:
    stored = await passwords.hash(GOOD)
    event = mask_secrets(None, "info", {"event": f"stored {stored} for somebody"})
    assert event["event"] == "stored [masked] for somebody"


async def test_the_default_costs_are_owasps(passwords: Passwords) -> None:
    # https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
    default = Passwords(
        PasswordSettings.model_validate({"keys": {"a": "a" * 48}, "active_kid": "a"})
    )
    assert (await default.hash(GOOD)).startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    default.close()


async def test_nobody_costs_what_somebody_costs(passwords: Passwords) -> None:
    stored = await passwords.hash(GOOD)

    # Of processor time: on a busy machine the clock says nothing.
    async def seconds(reference: str | None) -> float:
        started = time.process_time()
        assert not await passwords.verify(reference, "wrong")
        return time.process_time() - started

    known = min([await seconds(stored) for _ in range(5)])
    unknown = min([await seconds(None) for _ in range(5)])
    assert 0.4 < unknown / known < 2.5


async def test_two_spellings_of_one_password(passwords: Passwords) -> None:
    stored = await passwords.hash("pa\u0308sswo\u0308rd Å")
    assert await passwords.verify(stored, "p\u00e4ssw\u00f6rd \u212b")


@pytest.mark.parametrize(
    "password", ["\x00", "a\x00b", "\ud800", "\U0001d4ab\U0001d4b6", "x" * 256]
)
async def test_any_text_can_be_checked(passwords: Passwords, password: str) -> None:
    stored = await passwords.hash(password)
    assert await passwords.verify(stored, password)
    assert not await passwords.verify(stored, password[:-1] + "?")


async def test_a_huge_password_is_refused_without_work(passwords: Passwords) -> None:
    huge = "x" * 1_000_000
    started = time.process_time()
    with pytest.raises(PasswordTooWeak, match="at most 256"):
        await passwords.hash(huge)
    with pytest.raises(PasswordTooWeak, match="at most 256"):
        await passwords.require_strength(huge)
    assert not await passwords.verify(None, huge)
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_a_stored_hash_that_is_none_fits_nothing(passwords: Passwords, stored: str) -> None:
    assert not await passwords.verify(stored, GOOD)


async def test_changed_costs_ask_for_a_new_hash(passwords: Passwords) -> None:
    stored = await passwords.hash(GOOD)
    assert not passwords.needs_rehash(stored)
    dearer = Passwords(settings(hashing_iterations=2))
    assert dearer.needs_rehash(stored)
    assert await dearer.verify(stored, GOOD)
    dearer.close()


async def test_the_event_loop_goes_on(passwords: Passwords) -> None:
    hashing = asyncio.create_task(passwords.hash(GOOD))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    # Hashing on the loop would let it turn once.
    assert turns > 1


async def test_hashing_yields_to_other_threads(passwords: Passwords) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    others = set(threading.enumerate())
    await passwords.hash(GOOD)
    [worker] = [t for t in threading.enumerate() if t not in others and t.name[:6] == "argon2"]
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        assert worker.native_id is not None
        assert os.getpriority(os.PRIO_PROCESS, worker.native_id) == max(own, 10)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


async def test_a_flood_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_WAITING", 4)
    passwords = Passwords(settings())
    attempts = await asyncio.gather(
        *(passwords.verify(None, "x") for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(attempt, Unavailable) for attempt in attempts) == 6
    assert not await passwords.verify(None, "x")
    passwords.close()


@pytest.mark.parametrize(
    ("password", "own_words"),
    [
        ("password1", ()),
        ("qwertyuiop", ()),
        ("12345678", ()),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ()),
        ("Acme Corporation", ("owner@acme.test", "Acme Corporation")),
        ("i-a1b2c3d4e5f6@example.test", ("i-a1b2c3d4e5f6@example.test", "Ida")),
        ("ada.lovelace", ("ada.lovelace@acme.test", "Ada Lovelace")),
        ("Lovelace1815", ("ada@acme.test", "Ada Lovelace")),
        ("", ()),
    ],
)
async def test_weak_passwords_are_refused_with_a_hint(
    passwords: Passwords, password: str, own_words: tuple[str, ...]
) -> None:
    with pytest.raises(PasswordTooWeak) as refusal:
        await passwords.require_strength(password, *own_words)
    assert refusal.value.detail
    assert password == "" or password not in refusal.value.detail


@pytest.mark.parametrize(
    "password", [GOOD, "Tr7!kq9$Lm2#xv", "柳暗花明又一村 otter lamp", "x7" * 3 + GOOD]
)
async def test_strong_passwords_pass(passwords: Passwords, password: str) -> None:
    await passwords.require_strength(password, "ada@acme.test", "Ada Lovelace")


@pytest.mark.parametrize("password", ["4@8({[<369&1!|70$5+7%2" * 11, "1|7!" * 64, "\ud800" * 256])
async def test_judging_takes_no_longer_for_what_is_made_to_take_long(
    passwords: Passwords, password: str
) -> None:
    await passwords.require_strength(GOOD)
    started = time.process_time()
    with suppress(PasswordTooWeak):
        await passwords.require_strength(password, *["word" * 1000] * 1000)
    # zxcvbn by itself: five seconds at 72 characters.
    assert time.process_time() - started < 0.5


async def test_one_users_words_are_not_held_against_the_next(passwords: Passwords) -> None:
    with pytest.raises(PasswordTooWeak):
        await passwords.require_strength("zanzibarquokka", "zanzibarquokka")
    await passwords.require_strength("zanzibarquokka")
