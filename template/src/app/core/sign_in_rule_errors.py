"""Errors of tenants that require the identity provider."""

from app.core.errors import AppError


class ProviderRequired(AppError):
    status, code, title = 403, "provider-required", "This tenant requires the identity provider"
