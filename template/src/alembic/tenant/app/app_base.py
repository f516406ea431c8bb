"""The base of your own migrations: `make migration` adds to this branch, the template never does."""

from collections.abc import Sequence

revision: str = "app_base"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = ("app",)
depends_on: str | Sequence[str] | None = "lobby_0001"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Undo."""
