"""How often one may try what a stranger can try: counted before any work is done."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.context.rate_limiter import limited_address, limiter_of
from app.api.context.request_context import RequestContext
from app.core.rate_limit.limiter import RateLimiter


class Attempts:
    """The limits of one client. Each method raises `RateLimited` when it is one attempt too many.

    An account is counted by the address that was typed, whether or not somebody has it.
    """

    def __init__(self, limiter: RateLimiter, address: str) -> None:
        self._limiter = limiter
        self._address = address

    async def login(self, email: str) -> None:
        """Count a sign-in, for the client's address and for the account."""
        await self._limiter.enforce("login_address", self._address)
        await self._limiter.enforce("login_account", email)

    async def password(self, user_id: object) -> None:
        """Count a signed-in user's attempt at the current password."""
        await self._limiter.enforce("login_account", str(user_id))

    async def register(self) -> None:
        """Count a registration."""
        await self._limiter.enforce("register_address", self._address)

    async def mail(self, email: str) -> None:
        """Count a request for a mail to this address."""
        await self._limiter.enforce("token_address", self._address)
        await self._limiter.enforce("mail_account", email)

    async def token(self) -> None:
        """Count an attempt at a token that came by mail."""
        await self._limiter.enforce("token_address", self._address)


async def get_attempts(request: Request) -> Attempts:
    """Return the limits of the client that sent this request."""
    address = RequestContext.of(request.scope).client_address
    return Attempts(limiter_of(request.scope), limited_address(address))


AttemptsDep = Annotated[Attempts, Depends(get_attempts)]
