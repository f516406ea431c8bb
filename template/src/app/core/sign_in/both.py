"""What signing in needs for the life of a process."""

from dataclasses import dataclass
from typing import Self

from app.core.oidc.identity_provider import IdentityProvider
from app.core.oidc.return_addresses import ReturnAddresses
from app.core.oidc.sign_in_states import SignInStates
from app.core.security.passwords import Passwords
from app.core.settings import Settings


@dataclass(frozen=True, slots=True)
class SignIn:
    """One of each for the whole process."""

    passwords: Passwords
    provider: IdentityProvider
    states: SignInStates
    return_addresses: ReturnAddresses

    @classmethod
    def build(cls, settings: Settings) -> Self:
        """Build everything; nothing connects yet."""
        return cls(
            passwords=Passwords(settings.auth),
            provider=IdentityProvider(
                settings.oidc,
                public_url=settings.public_url,
                skew_seconds=settings.auth.clock_skew.total_seconds(),
            ),
            states=SignInStates(settings),
            return_addresses=ReturnAddresses(settings),
        )

    async def close(self) -> None:
        """Let go of threads and connections."""
        await self.provider.close()
        self.passwords.close()
