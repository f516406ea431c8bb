"""Pages made of the templates beside this file."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from fastapi.responses import HTMLResponse, Response

from app.core import about

# Such a page loads and calls what its own host serves, and nothing else.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Host:
    """Where a page is shown."""

    url: str
    """Its public address."""
    tenant: str | None = None
    """The tenant that the host names, if it names one."""


def page(
    title: str, content: str, *, scripts: Iterable[str] = (), status_code: int = 200, up: str = ""
) -> Response:
    """Return a page; `content` is HTML, and `up` leads from the page to the start page's folder."""
    html = fragment(
        "page.html",
        title=escape(title),
        content=content.strip(),
        up=up,
        scripts="\n  ".join(
            f'<script type="module" src="{up}{path.removeprefix("/")}"></script>'
            for path in scripts
        ),
    )
    return HTMLResponse(html, status_code, {"Content-Security-Policy": _POLICY})


def fragment(file: str, **values: str) -> str:
    """Return a part of a page; `values` are HTML."""
    fixed = {"name": escape(about.NAME), "description": escape(about.DESCRIPTION)}
    return Template(text(file)).substitute(fixed, **values)


def text(file: str) -> str:
    """Return a file beside this one."""
    return files(__package__).joinpath(file).read_text(encoding="utf-8")
