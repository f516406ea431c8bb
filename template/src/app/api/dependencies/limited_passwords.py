"""Bodies with which a stranger tries addresses and passwords: each is counted before the route sees it."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.admission import HashingUser
from app.api.dependencies.attempts import AttemptsDep
from app.schemas import auth, users


async def _registration(body: auth.Registration, attempts: AttemptsDep) -> auth.Registration:
    await attempts.register()
    return body


async def _login(body: auth.Login, attempts: AttemptsDep) -> auth.Login:
    await attempts.login(body.email)
    return body


async def _email(body: auth.EmailBody, attempts: AttemptsDep) -> auth.EmailBody:
    await attempts.mail(body.email)
    return body


async def _reset(body: auth.PasswordReset, attempts: AttemptsDep) -> auth.PasswordReset:
    await attempts.token()
    return body


async def _change(
    body: users.PasswordChange, user: HashingUser, attempts: AttemptsDep
) -> users.PasswordChange:
    await attempts.password(user.id)
    return body


Registration = Annotated[auth.Registration, Depends(_registration)]
Login = Annotated[auth.Login, Depends(_login)]
EmailBody = Annotated[auth.EmailBody, Depends(_email)]
PasswordReset = Annotated[auth.PasswordReset, Depends(_reset)]
PasswordChange = Annotated[users.PasswordChange, Depends(_change)]
