"""Primary keys and the clock."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """Return a new UUIDv7 (RFC 9562): sorted by its time of creation, so indexes grow at one end."""
    return _uuid7()


def utcnow() -> datetime:
    """Return the current time, timezone-aware."""
    return datetime.now(UTC)
