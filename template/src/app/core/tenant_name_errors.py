"""Errors of requests that name their tenant."""

from app.core.errors import AppError


class TenantInvalid(AppError):
    status, code, title = 400, "tenant-invalid", "The tenant's name breaks the slug rule"


class TenantMismatch(AppError):
    status, code, title = 403, "tenant-mismatch", "The access token is of another tenant"
