"""The routes of version 1. A module here that has a `router` is served: a new resource only adds files."""

from importlib import import_module
from pkgutil import iter_modules

from app.api.routing import APIRouter, keep_apart, router_of


def routers() -> list[APIRouter]:
    """Return the router of each module in this folder, in the order of their names.

    Raises:
        TypeError: as `router_of`.
    """
    names = sorted(module.name for module in iter_modules(__path__))
    found = [router_of(import_module(f"{__name__}.{name}")) for name in names]
    keep_apart(found)
    return found
