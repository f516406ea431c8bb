"""Errors of tenants that require the identity provider."""

from app.core.errors import AppError


class ProviderRequired(AppError):
    """Tells where the caller signs in instead, as `sign_in_url`."""

    status, code, title = 403, "provider-required", "This tenant requires the identity provider"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(
            detail
            or "Sign in through the identity provider: at `sign_in_url`, with the slug as `tenant`.",
            sign_in_url="/api/v1/auth/oidc/start",
        )
