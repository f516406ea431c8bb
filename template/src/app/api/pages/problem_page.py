"""The page about a kind of problem, with what `docs/problems*.md` say of it."""

import re
from collections.abc import Iterable
from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi.responses import Response
from markdown_it import MarkdownIt

from app.api.pages.rendering import page
from app.api.problems import error_class
from app.core.errors import AppError

_UP: Final = "../"
_DOCUMENTS: Final = Path(__file__).parents[4] / "docs"
# The status that a text begins with is shown beside it, and would be a numbered list.
_SECTION: Final = re.compile(
    r"^### (\S+)\n\s*(?:\d{3}\. )?(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL
)


def problem_page(code: str) -> Response:
    """Return the page about the problem of that code; 404 if no error of the service has it."""
    found = next((error for error in _errors() if error.code == code), None)
    if found is None:
        told = f"<p>The service has no problem of the code <code>{escape(code)}</code>.</p>"
        return page("Unknown problem", told, status_code=404, up=_UP)
    facts = (
        f"<dl><dt>Code</dt><dd><code>{escape(code)}</code></dd>"
        f"<dt>Status</dt><dd>{found.status}</dd></dl>"
    )
    return page(found.title, facts + _texts().get(code, ""), up=_UP)


def _errors() -> Iterable[type[AppError]]:
    yield from _with_subclasses(AppError)
    yield from (error_class(status) for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)


def _with_subclasses(error: type[AppError]) -> Iterable[type[AppError]]:
    yield error
    for each in error.__subclasses__():
        yield from _with_subclasses(each)


@cache
def _texts() -> dict[str, str]:
    markdown = MarkdownIt("commonmark", {"html": False})
    # To other documents, which are not served.
    for rule in ("link_open", "link_close"):
        markdown.add_render_rule(rule, lambda *_: "")
    return {
        code: markdown.render(text)
        for document in sorted(_DOCUMENTS.glob("problems*.md"))
        for code, text in _SECTION.findall(document.read_text(encoding="utf-8"))
    }
