"""PostgreSQL, as a role that may create databases and roles."""

from pathlib import Path
from typing import Final

from app.dev.servers.postgres import SUPERUSER, Postgres
from tests.servers.embedded import Embedded

VARIABLE: Final = "TEST_DATABASE_URL"


def make(folder: Path) -> Embedded:
    """Return one that forgets everything, and its `postgresql://` URL."""
    postgres = Postgres(folder, durable=False)
    return postgres, lambda: postgres.url(SUPERUSER, "postgres")
