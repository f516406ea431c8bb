"""Bodies with which a stranger tries addresses and passwords: each is counted before the route sees it."""

from typing import Annotated

from fastapi import Depends

from app.api.dependencies.admission import PersonalUser
from app.api.dependencies.attempts import Attempts, AttemptsDep
from app.schemas import passwords


class PasswordAttempts(Attempts):
    """Also those at accounts, counted by the address that was typed, whether or not somebody has it."""

    async def login(self, email: str) -> None:
        """Count a sign-in, for the client's address and for the account."""
        await self.limiter.enforce("login_address", self.address)
        await self.limiter.enforce("login_account", email)

    async def password(self, user_id: object) -> None:
        """Count a signed-in user's attempt at the current password."""
        await self.limiter.enforce("login_account", str(user_id))

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


async def _login(body: passwords.Login, attempts: PasswordAttemptsDep) -> passwords.Login:
    await attempts.login(body.email)
    return body


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
) -> passwords.PasswordChange:
    await attempts.password(user.id)
    return body


async def _acceptance(
    body: passwords.InviteAccept, attempts: PasswordAttemptsDep
) -> passwords.InviteAccept:
    await attempts.token()
    return body


Registration = Annotated[passwords.Registration, Depends(_registration)]
Login = Annotated[passwords.Login, Depends(_login)]
EmailBody = Annotated[passwords.EmailBody, Depends(_email)]
Verification = Annotated[passwords.Verification, Depends(_verification)]
PasswordReset = Annotated[passwords.PasswordReset, Depends(_reset)]
PasswordChange = Annotated[passwords.PasswordChange, Depends(_change)]
InviteAccept = Annotated[passwords.InviteAccept, Depends(_acceptance)]
