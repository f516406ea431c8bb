"""Errors of signing in through the identity provider."""

from app.core.errors import AppError, TokenInvalid


class SignInInvalid(AppError):
    status, code, title = 400, "sign-in-invalid", "This sign-in was not begun here, or it is over"


class SignInRefused(AppError):
    status, code, title = 400, "sign-in-refused", "The identity provider refuses the sign-in"


class ProviderTokenInvalid(AppError):
    status, code, title = (
        401,
        "provider-token-invalid",
        "The identity provider's token is not valid",
    )
    headers = {"WWW-Authenticate": "Bearer"}


class ProviderUnavailable(AppError):
    status, code, title = 503, "provider-unavailable", "The identity provider does not answer"
    headers = {"Retry-After": "5"}


class IdentityConflict(AppError):
    status, code, title = 409, "identity-conflict", "The account belongs to another identity"


class CodeMisused(TokenInvalid):
    """A code came with the wrong verifier, so it is in wrong hands; it stays spent."""

    keeps_changes = True
