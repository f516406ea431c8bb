"""The sections of the settings that are about signing in."""

from pydantic import BaseModel

from app.core.oidc.settings import OidcSettings
from app.core.security.password_settings import PasswordSettings


class SignInSections(BaseModel):
    auth: PasswordSettings
    oidc: OidcSettings
