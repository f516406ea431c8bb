"""Bodies with which a stranger tries addresses and passwords: each is counted before the route sees it.

Passwords are counted when they are wrong. An attempt counts from its start, so that many at once are no way round the
limit, and is given back when it succeeds (ADR 0026).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from fastapi import Depends, Header, Response

from app.api.dependencies.admission import PersonalUser
from app.api.dependencies.attempts import Attempts, AttemptsDep
from app.api.dependencies.components import ComponentsDep
from app.core.password_errors import InvalidCredentials
from app.core.rate_limit.rules import RuleName
from app.core.security.device_tokens import DeviceTokens
from app.schemas import passwords

DEVICE_TOKEN: Final = "Device-Token"  # noqa: S105  the name of a header


class PasswordAttempts(Attempts):
    """Also those at accounts, counted by the address that was typed, whether or not somebody has it."""

    @asynccontextmanager
    async def login(self, email: str, device: str | None) -> AsyncIterator[None]:
        """Count a sign-in for the client's address, and a wrong password as `password` does."""
        await self.limiter.enforce("login_address", self.address)
        async with self.password(email, device):
            yield

    @asynccontextmanager
    async def password(self, account: str, device: str | None) -> AsyncIterator[None]:
        """Count a wrong password: for the `device`, which has signed in before, or for the account.

        It is the account's without a device, and when that has used up its limit.
        """
        counted: tuple[RuleName, str] = ("login_account", account)
        if device is not None and await self.limiter.passes("login_device", device):
            counted = ("login_device", device)
        else:
            await self.limiter.enforce(*counted)
        try:
            yield
        except InvalidCredentials:
            raise
        except Exception:
            await self.limiter.give_back(*counted)
            raise
        await self.limiter.give_back(*counted)

    async def register(self, email: str) -> None:
        """Count a registration, and the mail that it sends to this address."""
        await self.limiter.enforce("register_address", self.address)
        await self.limiter.enforce("mail_account", email)

    async def mail(self, email: str) -> None:
        """Count a request for a mail to this address."""
        await self.limiter.enforce("token_address", self.address)
        await self.limiter.enforce("mail_account", email)


async def get_password_attempts(attempts: AttemptsDep) -> PasswordAttempts:
    """Return the limits of the client that sent this request."""
    return PasswordAttempts(attempts.limiter, attempts.address)


PasswordAttemptsDep = Annotated[PasswordAttempts, Depends(get_password_attempts)]


async def _registration(
    body: passwords.Registration, attempts: PasswordAttemptsDep
) -> passwords.Registration:
    await attempts.register(body.email)
    return body


async def _login(
    body: passwords.Login,
    attempts: PasswordAttemptsDep,
    components: ComponentsDep,
    response: Response,
    device_token: Annotated[
        str,
        Header(
            alias=DEVICE_TOKEN,
            description="What the header of this name said in an earlier answer to this account, if anything.",
        ),
    ] = "",
) -> AsyncIterator[passwords.Login]:
    tokens = DeviceTokens(components.settings.auth)
    async with attempts.login(body.email, tokens.identify(device_token, body.email)):
        # A refusal does not have it: its response is another one.
        response.headers[DEVICE_TOKEN] = tokens.issue(body.email)
        yield body


async def _email(body: passwords.EmailBody, attempts: PasswordAttemptsDep) -> passwords.EmailBody:
    await attempts.mail(body.email)
    return body


async def _verification(
    body: passwords.Verification, attempts: PasswordAttemptsDep
) -> passwords.Verification:
    await attempts.token()
    return body


async def _reset(
    body: passwords.PasswordReset, attempts: PasswordAttemptsDep
) -> passwords.PasswordReset:
    await attempts.token()
    return body


async def _change(
    body: passwords.PasswordChange, user: PersonalUser, attempts: PasswordAttemptsDep
) -> AsyncIterator[passwords.PasswordChange]:
    # The session has signed in: a thief of another session of the user does not keep the owner out of this one.
    async with attempts.password(str(user.id), str(user.session_id)):
        yield body


async def _acceptance(
    body: passwords.InviteAccept, attempts: PasswordAttemptsDep
) -> passwords.InviteAccept:
    await attempts.token()
    return body


Registration = Annotated[passwords.Registration, Depends(_registration)]
Login = Annotated[passwords.Login, Depends(_login, scope="function")]
EmailBody = Annotated[passwords.EmailBody, Depends(_email)]
Verification = Annotated[passwords.Verification, Depends(_verification)]
PasswordReset = Annotated[passwords.PasswordReset, Depends(_reset)]
PasswordChange = Annotated[passwords.PasswordChange, Depends(_change, scope="function")]
InviteAccept = Annotated[passwords.InviteAccept, Depends(_acceptance)]
