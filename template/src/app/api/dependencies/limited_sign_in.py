"""Steps of a sign-in through the identity provider: each is counted before any work is done."""

from fastapi import Depends

from app.api.dependencies.attempts import AttemptsDep


async def _count(attempts: AttemptsDep) -> None:
    await attempts.limiter.enforce("login_address", attempts.address)


LIMITS = [Depends(_count)]
