"""The sections of the settings that are about signing in."""

from pydantic import BaseModel

from app.core.oidc.settings import OidcSettings
from app.core.security.token_settings import TokenSettings


class SignInSections(BaseModel):
    auth: TokenSettings
    oidc: OidcSettings
