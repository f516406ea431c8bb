"""All tables, by the tree of migrations that makes them. Models are found by looking into the two folders."""

from importlib import import_module
from pkgutil import iter_modules

import app.models.public
import app.models.tenant
from app.core.db.migrations import Tree
from app.models.base import PublicBase, TenantBase


def public_tree() -> Tree:
    """Return the lobby's tree."""
    _import_models(app.models.public.__name__, app.models.public.__path__)
    return Tree("public", PublicBase.metadata)


def tenant_tree() -> Tree:
    """Return the tree that each tenant's schema is made from."""
    _import_models(app.models.tenant.__name__, app.models.tenant.__path__)
    return Tree("tenant", TenantBase.metadata)


def _import_models(package: str, path: list[str]) -> None:
    for module in iter_modules(path):
        import_module(f"{package}.{module.name}")
