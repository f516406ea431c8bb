"""Passwords: Argon2id and a strength estimate, both away from the event loop."""

import asyncio
import os
import sys
import threading
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from app.core.errors import Unavailable
from app.core.password_errors import PasswordTooWeak
from app.core.security.password_settings import PasswordSettings

MAX_LENGTH: Final = 256
"""Characters of a password; longer ones are refused before any work."""

_NICENESS: Final = 10
_MAX_WAITING: Final = 64
# zxcvbn takes seconds for long passwords and for many different "l33t" characters.
_JUDGED_LENGTH: Final = 32
_JUDGED_SUBSTITUTIONS: Final = 6
_SUBSTITUTIONS: Final = frozenset("4@8({[<3691!|70$5+%2")
_MAX_OWN_WORDS: Final = 16


class Passwords:
    """Hashes and checks passwords in a few low-priority threads. One per process."""

    def __init__(self, settings: PasswordSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.hashing_iterations,
            memory_cost=settings.hashing_memory_kib,
            # Lanes would be threads; a core for each is better spent on other requests.
            parallelism=1,
            type=Type.ID,
        )
        self.nobodys_hash = _unmatchable(self._hasher)
        """No password fits it, and finding that out takes as long as with any other."""
        self._min_score = settings.password_min_score
        self._waiting = 0
        self._max_waiting = _MAX_WAITING * settings.hashing_concurrency
        # Argon2 releases the GIL, so its threads compete with the event loop for cores only.
        self._argon2 = ThreadPoolExecutor(
            settings.hashing_concurrency, "argon2", initializer=_lower_priority
        )
        # Python code that holds the GIL keeps its priority: it would delay the event loop more.
        # One thread, because zxcvbn keeps the user's words in a global.
        self._zxcvbn = ThreadPoolExecutor(1, "zxcvbn")

    async def hash(self, password: str) -> str:
        """Return the password's hash in PHC format.

        Raises:
            PasswordTooWeak: it is longer than 256 characters.
            Unavailable: too many passwords wait to be hashed.
        """
        if len(password) > MAX_LENGTH:
            raise PasswordTooWeak(f"It must have at most {MAX_LENGTH} characters.")
        return await self._run(lambda: self._hasher.hash(_normalised(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether the password fits; with no stored hash after the same work as with one.

        Raises:
            Unavailable: too many passwords wait to be checked.
        """
        if len(password) > MAX_LENGTH:
            return False
        reference = self.nobodys_hash if stored is None else stored
        return await self._run(lambda: self._fits(reference, password)) and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Tell whether the settings have changed since the hash was made."""
        return self._hasher.check_needs_rehash(stored)

    async def require_strength(self, password: str, *own_words: str) -> None:
        """Refuse a password that is easy to guess for somebody who knows the user's own words.

        Only its first 32 characters are judged.

        Raises:
            PasswordTooWeak: with the reason and a hint.
        """
        if not password:
            raise PasswordTooWeak("It is empty.")
        if len(password) > MAX_LENGTH:
            raise PasswordTooWeak(f"It must have at most {MAX_LENGTH} characters.")
        judged, words = _judged(_normalised(password)), _split(own_words)
        loop = asyncio.get_running_loop()
        score, reason = await loop.run_in_executor(self._zxcvbn, _estimate, judged, words)
        if score < self._min_score:
            raise PasswordTooWeak(reason or None)

    def close(self) -> None:
        """Let the threads end; what waits is dropped."""
        self._argon2.shutdown(wait=False, cancel_futures=True)
        self._zxcvbn.shutdown(wait=False, cancel_futures=True)

    async def _run[T](self, work: Callable[[], T]) -> T:
        if self._waiting >= self._max_waiting:
            raise Unavailable("Too many people are signing in.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._argon2, work)
        finally:
            self._waiting -= 1

    def _fits(self, reference: str, password: str) -> bool:
        try:
            return self._hasher.verify(reference, _normalised(password))
        except (VerificationError, InvalidHashError):
            return False


def _lower_priority() -> None:
    # On Linux a thread has a priority of its own; elsewhere this would slow the whole process.
    if sys.platform == "linux":
        # A service that was started with less must not ask for more: the system would refuse.
        niceness = max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


def _unmatchable(hasher: PasswordHasher) -> str:
    # A hash with the hasher's costs whose password nobody knows, made without hashing.
    salt, tag = (
        b64encode(os.urandom(size)).rstrip(b"=").decode()
        for size in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${tag}"


def _normalised(password: str) -> bytes:
    # One password typed on two keyboards is one sequence of bytes (NIST SP 800-63B, 5.1.1.2).
    # A lone surrogate, which JSON can carry, is kept as it is instead of failing.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _judged(password: bytes) -> str:
    seen: set[str] = set()
    kept = []
    for char in password.decode("utf-8", "replace")[:_JUDGED_LENGTH]:
        if char in _SUBSTITUTIONS and char not in seen:
            if len(seen) == _JUDGED_SUBSTITUTIONS:
                kept.append("~")
                continue
            seen.add(char)
        kept.append(char)
    return "".join(kept)


def _split(own_words: tuple[str, ...]) -> list[str]:
    parts = [part for word in own_words for part in word[:320].replace("@", " ").split()]
    words = [*own_words, *parts][:_MAX_OWN_WORDS]
    # As the password is judged: shortened, with some characters replaced.
    return [*words, *(_judged(word.encode("utf-8", "surrogatepass")) for word in words)]


def _estimate(password: str, own_words: list[str]) -> tuple[int, str]:
    # Its word lists take 80 ms and 20 MB to load, which only a process that judges pays.
    from zxcvbn import zxcvbn  # noqa: PLC0415  see above

    result = zxcvbn(password, user_inputs=own_words)
    feedback = result["feedback"]
    hints = [feedback["warning"], *feedback["suggestions"]]
    return result["score"], " ".join(_sentence(hint) for hint in hints if hint)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
