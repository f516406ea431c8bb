"""Signing in through the identity provider, as clients see it."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr

from app.core.oidc.tokens import MAX_LENGTH
from app.core.slugs import Slug
from app.schemas.base import Body
from app.schemas.sessions import Token

Challenge = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
Verifier = Annotated[SecretStr, Field(min_length=43, max_length=128)]


class SignInRedemption(Body):
    """The code that came back to the page, and the verifier that only this page knows (RFC 7636)."""

    code: Token
    code_verifier: Verifier


class TokenExchange(Body):
    """An access token of the identity provider, issued for this API."""

    access_token: Annotated[SecretStr, Field(min_length=1, max_length=MAX_LENGTH)]
    tenant: Annotated[
        Slug | None,
        Field(
            description="The slug of the tenant to enter; without it the session is the lobby's."
        ),
    ] = None


class IdentityRecord(BaseModel):
    """What the audit trail keeps of a link."""

    issuer: str
    subject: str
    user_id: UUID
