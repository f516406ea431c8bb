"""The error of hosts."""

from app.core.errors import AppError


class HostUnknown(AppError):
    status, code, title = 421, "host-unknown", "This service does not answer on this host"
