"""Errors that are part of the API's contract. No web framework is imported here."""

from collections.abc import Mapping
from typing import ClassVar


class AppError(Exception):
    """A failure that the caller can act on; rendered as an RFC 9457 problem document.

    Subclasses fix `status` (an HTTP status code), `code` (stable, kebab-case, public) and `title`.
    Keyword arguments become extension members of the document.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    headers: Mapping[str, str] = {}
    keeps_changes: ClassVar[bool] = False
    """The transaction commits although the request fails: what was detected must be remembered."""

    def __init__(self, detail: str | None = None, **extra: str | int) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.extra = extra


class InvalidRequest(AppError):
    status, code, title = 422, "invalid-request", "The request does not fit its description"

    def __init__(self, detail: str | None = None, *, pointer: str = "") -> None:
        super().__init__(detail)
        self.pointer = pointer


class BadRequest(AppError):
    status, code, title = 400, "bad-request", "The request cannot be read"


class NotFound(AppError):
    status, code, title = 404, "not-found", "Not found"


class StillReferenced(AppError):
    status, code, title = 409, "still-referenced", "Other rows refer to it"


class MethodNotAllowed(AppError):
    status, code, title = 405, "method-not-allowed", "The route does not know this method"


class BodyTooLarge(AppError):
    status, code, title = 413, "body-too-large", "The body is larger than the limit"


class HeadersTooLarge(AppError):
    status, code, title = 431, "headers-too-large", "The headers are larger than the limit"
    headers = {"Connection": "close"}


class TooManyConnections(AppError):
    status, code, title = 429, "too-many-connections", "Too many sockets and streams are open"
    headers = {"Retry-After": "60"}


class TooManyMessages(AppError):
    status, code, title = 429, "too-many-messages", "Too many messages in a second"


class ConnectionIdle(AppError):
    status, code, title = 408, "connection-idle", "Nothing was sent for too long"


class Unavailable(AppError):
    status, code, title = 503, "unavailable", "The service cannot answer right now"
    headers = {"Retry-After": "1"}


# Who is calling


class Unauthenticated(AppError):
    status, code, title = 401, "unauthenticated", "A valid access token is required"
    headers = {"WWW-Authenticate": "Bearer"}


class RefreshTokenInvalid(AppError):
    status, code, title = 401, "refresh-token-invalid", "The refresh token is not valid"
    headers = {"WWW-Authenticate": "Bearer"}


class RefreshTokenReused(RefreshTokenInvalid):
    """A spent token came back, so somebody holds a copy; the family stays revoked."""

    keeps_changes = True


class EmailNotVerified(AppError):
    status, code, title = 403, "email-not-verified", "The e-mail address must be verified first"


class SuperuserRequired(AppError):
    status, code, title = 403, "superuser-required", "Only a platform superuser may do this"


class OriginForbidden(AppError):
    status, code, title = 403, "origin-forbidden", "Pages of this origin may not open a socket"


class AssumedIdentityForbidden(AppError):
    status, code, title = 403, "assumed-identity", "Not allowed while assuming an identity"


class TokenInvalid(AppError):
    status, code, title = 400, "token-invalid", "The token is unknown, spent or expired"


# Which tenant


class TenantRequired(AppError):
    status, code, title = 400, "tenant-required", "The request names no tenant"


class TenantNotFound(AppError):
    status, code, title = 404, "tenant-not-found", "No such tenant, or you are not a member of it"


class TenantNotReady(AppError):
    status, code, title = 503, "tenant-not-ready", "The tenant is not provisioned yet"
    headers = {"Retry-After": "2"}


class TenantNotMigrated(AppError):
    """Its schema lacks migrations of this release: `app migrate` failed for it, or is still to run."""

    status, code, title = 503, "tenant-not-migrated", "The tenant's tables are being migrated"
    headers = {"Retry-After": "5"}


class TenantSuspended(AppError):
    status, code, title = 403, "tenant-suspended", "The tenant is suspended"


class TenantDeleted(AppError):
    status, code, title = 410, "tenant-deleted", "The tenant was deleted"


class RoleRequired(AppError):
    status, code, title = 403, "role-required", "Your role in this tenant does not allow it"


# Rules of the domain


class SlugTaken(AppError):
    status, code, title = 409, "slug-taken", "Another tenant has this slug"


class SlugNotConfirmed(AppError):
    status, code, title = 409, "slug-not-confirmed", "`confirm_slug` is not this tenant's slug"


class TransitionNotAllowed(AppError):
    status, code, title = 409, "transition-not-allowed", "The tenant's state does not allow it"


class LastOwner(AppError):
    status, code, title = 409, "last-owner", "A tenant must keep an owner"


class AlreadyMember(AppError):
    status, code, title = 409, "already-member", "This address is a member already"


class InvitePending(AppError):
    status, code, title = 409, "invite-pending", "This address has a pending invite"


class InviteNotPending(AppError):
    status, code, title = 409, "invite-not-pending", "The invite is no longer pending"


class InviteOfOtherAddress(AppError):
    status, code, title = 403, "invite-of-other-address", "The invite is for another address"


class EmailTaken(AppError):
    """Only for operators: a stranger is never told who has an account."""

    status, code, title = 409, "email-taken", "Another user has this address"
