"""Style of the rendered code, which is the template's to keep and its user's to choose."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.test_rules import Rule, Source, broken_in

MAX_FUNCTION_LINES: Final = 40
MAX_FILE_LINES: Final = 400

type Function = ast.FunctionDef | ast.AsyncFunctionDef

_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:)")
_EXPLAINED = re.compile(
    r"#\s*(noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*|type: ignore\[[\w, -]+\]|pragma: \w+( \w+)?)"
    r"\s+([#-]+\s+)?\w+"
)
_VAGUE = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)$|(Util|Helper|Manager)s?$")


def comments(source: Source) -> Iterator[tuple[int, str]]:
    if not _SUPPRESSION.search(source.text):
        return
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def functions(source: Source) -> Iterator[Function]:
    yield from source.all(ast.FunctionDef)
    yield from source.all(ast.AsyncFunctionDef)


def is_too_long(source: Source) -> Iterator[str]:
    """A function fits a screen. Generated migrations are as long as what they create."""
    if source.path.is_relative_to("src/alembic"):
        return
    lines = source.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"1: {lines} lines"
    for function in functions(source):
        lines = (function.end_lineno or 0) - function.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            yield f"{function.lineno}: {function.name} has {lines} lines"


def suppresses_without_a_reason(source: Source) -> Iterator[str]:
    """A check that is switched off says which and why: `# noqa: S105  a limit, no token`."""
    for line, comment in comments(source):
        if _SUPPRESSION.match(comment) and not _EXPLAINED.match(comment):
            yield f"{line}: {comment}"


def exports_again(source: Source) -> Iterator[str]:
    """A name is imported from the module that defines it; api/v1 and models discover their modules."""
    discovers = source.below("api/v1", "models/public", "models/tenant")
    if source.below("") and source.path.name == "__init__.py" and not discovers:
        for line, name in source.imported():
            yield f"{line}: {name}"


def mocks(source: Source) -> Iterator[str]:
    """Tests run the real thing; a stand-in belongs at a port, such as mail."""
    for line, name in source.imported():
        if name in {"mock", "unittest.mock", "Mock", "MagicMock", "AsyncMock", "patch"}:
            yield f"{line}: import of {name}"


def has_a_vague_name(source: Source) -> Iterator[str]:
    """A name says what is in it."""
    if _VAGUE.search(source.path.stem):
        yield f"1: {source.path.name}"
    for node in source.all(ast.ClassDef):
        if _VAGUE.search(node.name):
            yield f"{node.lineno}: {node.name}"


def is_described_wrongly(source: Source) -> Iterator[str]:
    """Public functions, and classes that start a type, say what the caller gets; a private name says it itself."""
    if source.below(""):
        yield from _descriptions(source.tree, public=True)


def _descriptions(parent: ast.AST, *, public: bool) -> Iterator[str]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("__"):
                continue
            shown = public and not node.name.startswith("_")
            described = ast.get_docstring(node) is not None
            inherits = isinstance(node, ast.ClassDef) and bool(node.bases)
            if shown and not described and not inherits:
                yield f"{node.lineno}: {node.name} has no docstring"
            if described and not shown:
                yield f"{node.lineno}: {node.name} is private and has a docstring"
            inner = shown and isinstance(node, ast.ClassDef)
            yield from _descriptions(node, public=inner)
        elif isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _descriptions(node, public=public)


_LONG = "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES
BROKEN: Final[list[tuple[Rule, str, str]]] = [
    (is_too_long, "services/x.py", _LONG),
    (is_too_long, "services/x.py", "x = 1\n" * (MAX_FILE_LINES + 1)),
    (suppresses_without_a_reason, "services/x.py", "import os  # noqa"),
    (suppresses_without_a_reason, "services/x.py", "import os  # noqa: F401"),
    (suppresses_without_a_reason, "services/x.py", "x = y  # type: ignore[attr-defined]"),
    (exports_again, "services/__init__.py", "from app.services.x import X"),
    (mocks, "services/x.py", "from unittest.mock import AsyncMock"),
    (has_a_vague_name, "services/date_utils.py", ""),
    (has_a_vague_name, "services/x.py", "class TenantManager: ..."),
    (is_described_wrongly, "services/x.py", "def public(): ..."),
    (is_described_wrongly, "services/x.py", "class A(B):\n    async def public(self): ..."),
    (is_described_wrongly, "services/x.py", "class Public: ..."),
    (is_described_wrongly, "services/x.py", "def _private():\n    '''Text.'''"),
    (is_described_wrongly, "services/x.py", "class _A:\n    def f(self):\n        '''Text.'''"),
]
RULES: Final = list(dict.fromkeys(rule for rule, _, _ in BROKEN))


def test_every_file_keeps_every_rule() -> None:
    broken = broken_in(RULES)
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_the_rule_finds(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(Path("src/app", path), text)))
