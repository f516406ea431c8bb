"""Bodies with which a stranger tries tokens: each is counted before the route sees it."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.attempts import AttemptsDep
from app.schemas import invites


async def _token(body: invites.TokenBody, attempts: AttemptsDep) -> invites.TokenBody:
    await attempts.token()
    return body


TokenBody = Annotated[invites.TokenBody, Depends(_token)]
