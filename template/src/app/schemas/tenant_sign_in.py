"""How a tenant's members have to sign in, as clients see it."""

from pydantic import StrictBool

from app.schemas.base import Body


class SignInRule(Body):
    requires_provider: StrictBool
    """Passwords open this tenant no more; they still open the lobby."""
