"""Passwords, and the mails that prove an address, as clients see them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr

from app.core.emails import Email
from app.core.security.passwords import MAX_LENGTH
from app.core.slugs import Slug
from app.schemas.base import Body, Name, ShownEmail, ShownName, ShownSlug, at_most
from app.schemas.sessions import Token
from app.schemas.users import UserRead, UserTenant

Password = Annotated[
    SecretStr,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        description="Its strength is estimated; there is no rule about kinds of characters.",
    ),
]


class Registration(Body):
    email: Email
    password: Password
    full_name: Name
    tenant_name: Name
    tenant_slug: Slug


class Login(Body):
    email: Email
    password: Annotated[SecretStr, Field(min_length=1, max_length=MAX_LENGTH)]
    tenant: Annotated[
        Slug | None,
        Field(
            description="The slug of the tenant to enter; without it the session is the lobby's."
        ),
    ] = None


class EmailBody(Body):
    email: Email


class Verification(Body):
    token: Token
    new_password: Annotated[
        Password | None,
        Field(description="Replaces the one of the registration, if the token `sets_password`."),
    ] = None


class RegistrationPreview(BaseModel):
    """What the holder of a registration's token may know before confirming it."""

    email: ShownEmail
    full_name: ShownName
    tenant_name: ShownName | None
    tenant_slug: ShownSlug | None
    """Both are null if the tenant was given up."""
    registered_at: datetime
    sets_password: bool
    """The name and the password of the registration become the account's; an account that is proven keeps its own."""


class PasswordReset(Body):
    token: Token
    new_password: Password


class PasswordChange(Body):
    current_password: Password
    new_password: Password


class InviteAccept(Body):
    """A new user also chooses a password and a name; who has an account signs in and sends the token alone."""

    token: Token
    password: Password | None = None
    full_name: Name | None = None


class Accepted(BaseModel):
    """The one answer to every address, so that it does not tell who has an account."""

    detail: Annotated[str, at_most(200)] = (
        "If there is something to do for this address, a mail is on its way to it."
    )


class EmailVerified(BaseModel):
    user: UserRead
    tenant: UserTenant | None
    """The tenant that this address opens; it is being provisioned."""


class RegistrationRecord(BaseModel):
    """What the audit trail keeps of a registration."""

    tenant_id: UUID
    full_name: str
