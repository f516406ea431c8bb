"""All tables, by the tree of migrations that makes them. Models are found by looking into the two folders."""

import app.models.public
import app.models.tenant  # noqa: F401  its tables are in the metadata
from app.core.db.migrations import Tree
from app.models.base import PublicBase, TenantBase


def public_tree() -> Tree:
    """Return the lobby's tree."""
    return Tree("public", PublicBase.metadata)


def tenant_tree() -> Tree:
    """Return the tree that each tenant's schema is made from."""
    return Tree("tenant", TenantBase.metadata)
