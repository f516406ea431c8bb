"""Sign-ins through the identity provider: each counts once, before the provider is asked who it is."""

from fastapi import Depends

from app.api.dependencies.attempts import AttemptsDep


async def _count(attempts: AttemptsDep) -> None:
    await attempts.limiter.enforce("login_address", attempts.address)


LIMITS = [Depends(_count)]
