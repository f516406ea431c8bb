"""How often one may try what a stranger can try: counted before any work is done."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.context.rate_limiter import limited_address, limiter_of
from app.api.context.request_context import RequestContext
from app.core.rate_limit.limiter import RateLimiter


class Attempts:
    """The limits of one client. Each method raises `RateLimited` when it is one attempt too many."""

    def __init__(self, limiter: RateLimiter, address: str) -> None:
        self.limiter = limiter
        self.address = address

    async def token(self) -> None:
        """Count an attempt at a token that came by mail."""
        await self.limiter.enforce("token_address", self.address)


async def get_attempts(request: Request) -> Attempts:
    """Return the limits of the client that sent this request."""
    address = RequestContext.of(request.scope).client_address
    return Attempts(limiter_of(request.scope), limited_address(address))


AttemptsDep = Annotated[Attempts, Depends(get_attempts)]
