"""The routes of version 1. A module here that has a `router` is served: a new resource only adds files."""

from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """Return the router of each module in this folder, in the order of their names."""
    names = sorted(module.name for module in iter_modules(__path__))
    return [import_module(f"{__name__}.{name}").router for name in names]
