"""Pages made of the templates beside this file."""

from html import escape
from importlib.resources import files
from string import Template

from fastapi.responses import HTMLResponse, Response

from app.core import about


def page(file: str, **values: str) -> Response:
    """Return a page; `values` are HTML."""
    return HTMLResponse(fragment(file, **values))


def fragment(file: str, **values: str) -> str:
    """Return a part of a page; `values` are HTML."""
    fixed = {"name": escape(about.NAME), "description": escape(about.DESCRIPTION)}
    return Template(text(file)).substitute(fixed, **values)


def text(file: str) -> str:
    """Return a file beside this one."""
    return files(__package__).joinpath(file).read_text(encoding="utf-8")
