"""What signing in needs for the life of a process."""

from dataclasses import dataclass
from typing import Self

from app.core.security.passwords import Passwords
from app.core.settings import Settings


@dataclass(frozen=True, slots=True)
class SignIn:
    """One of each for the whole process."""

    passwords: Passwords

    @classmethod
    def build(cls, settings: Settings) -> Self:
        """Build everything; nothing connects yet."""
        return cls(Passwords(settings.auth))

    async def close(self) -> None:
        """Let go of threads."""
        self.passwords.close()
