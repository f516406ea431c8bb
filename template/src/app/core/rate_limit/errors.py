"""The error of rate limits."""

from app.core.errors import AppError


class RateLimited(AppError):
    status, code, title = 429, "rate-limited", "Too many requests"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(f"Try again in {retry_after_seconds} s.")
        self.retry_after_seconds = retry_after_seconds
        self.headers = {"Retry-After": str(retry_after_seconds)}
