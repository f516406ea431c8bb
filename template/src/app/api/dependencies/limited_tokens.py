"""Bodies with which a stranger tries tokens: each is counted before the route sees it."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.attempts import AttemptsDep
from app.schemas import auth, invites


async def _token(body: auth.TokenBody, attempts: AttemptsDep) -> auth.TokenBody:
    await attempts.token()
    return body


async def _acceptance(body: invites.InviteAccept, attempts: AttemptsDep) -> invites.InviteAccept:
    await attempts.token()
    return body


TokenBody = Annotated[auth.TokenBody, Depends(_token)]
InviteAccept = Annotated[invites.InviteAccept, Depends(_acceptance)]
