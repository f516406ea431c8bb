"""Errors of passwords."""

from app.core.errors import AppError


class InvalidCredentials(AppError):
    status, code, title = 401, "invalid-credentials", "The credentials are not valid"
    headers = {"WWW-Authenticate": "Bearer"}


class PasswordTooWeak(AppError):
    status, code, title = 422, "password-too-weak", "The password is too easy to guess"
