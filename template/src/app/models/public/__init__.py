"""The tables of the lobby. Whoever imports one gets all: a foreign key or a relationship names others."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
