"""Rules that a reviewer would otherwise have to remember; docs/architecture.md says what each is for.

A rule is a function from a source file to what breaks it there. Every rule is tried on the whole code base and on a
snippet that it must find.
"""

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, cast

import pytest

ROOT: Final = Path(__file__).parents[1]
MAX_FUNCTION_LINES: Final = 40
MAX_FILE_LINES: Final = 400

type Rule = Callable[["Source"], Iterator[str]]
type Function = ast.FunctionDef | ast.AsyncFunctionDef

_ENDS_TRANSACTION = {"begin", "begin_nested", "begin_twophase", "commit", "rollback"}
_OPENS_CONNECTION = {
    "AsyncSession",
    "async_sessionmaker",
    "create_async_engine",
    "create_engine",
    "sessionmaker",
}
_ENTRY_POINTS = ("main.py", "cli", "dev")
_SQL_TRANSACTION = re.compile(
    r"\s*(begin|start transaction|commit|rollback|savepoint \w+)\s*(;|$)", re.IGNORECASE
)
_TENANT_NAME = re.compile(
    r"search_path|\btenant_(?![a-z])|\blobby_(?![a-z0-9])|lobby\.role|current_setting"
    r"|\b(set|reset)\s+((local|session)\s+)?role\b|\b(create|drop)\s+(role|schema)\b",
    re.IGNORECASE,
)
_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:)")
_EXPLAINED = re.compile(
    r"#\s*(noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*|type: ignore\[[\w, -]+\]|pragma: \w+( \w+)?)"
    r"\s+([#-]+\s+)?\w+"
)
_VAGUE = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)$|(Util|Helper|Manager)s?$")
_BUILTIN_ERRORS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}


@dataclass(frozen=True)
class Source:
    path: Path
    """Relative to the project."""
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> dict[type[ast.AST], list[ast.AST]]:
        nodes: dict[type[ast.AST], list[ast.AST]] = {}
        for node in ast.walk(self.tree):
            nodes.setdefault(type(node), []).append(node)
        return nodes

    def all[Node: ast.AST](self, type_: type[Node]) -> list[Node]:
        return cast("list[Node]", self.nodes.get(type_, []))

    def below(self, *folders: str) -> bool:
        return any(self.path.is_relative_to(Path("src/app", folder)) for folder in folders)

    def strings(self) -> Iterator[tuple[int, str]]:
        """Yield the string constants but for docstrings."""
        described = {id(node.value) for node in self.all(ast.Expr)}
        for constant in self.all(ast.Constant):
            if isinstance(constant.value, str) and id(constant) not in described:
                yield constant.lineno, constant.value

    def imported(self) -> Iterator[tuple[int, str]]:
        nodes: list[ast.Import | ast.ImportFrom] = [*self.all(ast.Import)]
        for node in (*nodes, *self.all(ast.ImportFrom)):
            yield from ((node.lineno, alias.name) for alias in node.names)

    def comments(self) -> Iterator[tuple[int, str]]:
        if not _SUPPRESSION.search(self.text):
            return
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string

    def functions(self) -> Iterator[Function]:
        yield from self.all(ast.FunctionDef)
        yield from self.all(ast.AsyncFunctionDef)


def sources() -> Iterator[Source]:
    # One at a time: the syntax trees of all files together would slow the garbage collector down.
    for file in sorted((*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py"))):
        yield Source(file.relative_to(ROOT), file.read_text())


def ends_a_transaction(source: Source) -> Iterator[str]:
    """Only core/db connects, begins, commits and rolls back (ADR 0003)."""
    if not source.below("") or source.below("core/db"):
        return
    for node in source.all(ast.Attribute):
        if node.attr in _ENDS_TRANSACTION:
            yield f"{node.lineno}: .{node.attr}"
    for line, name in source.imported():
        if name in _OPENS_CONNECTION:
            yield f"{line}: import of {name}"
    for line, text in source.strings():
        if _SQL_TRANSACTION.match(text):
            yield f"{line}: {text!r}"


def raises_what_no_caller_knows(source: Source) -> Iterator[str]:
    """What a caller can act on is a class of core/errors.py; only api/problems.py knows the framework's error."""
    if source.below("services", "repositories", "api/v1", "api/dependencies"):
        for node in source.all(ast.Raise):
            if node.exc is not None:
                raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                if isinstance(raised, ast.Name) and raised.id in _BUILTIN_ERRORS:
                    yield f"{node.lineno}: raises {raised.id}"
    if source.below("") and not source.below("api/problems.py", "dev"):
        for line, name in source.imported():
            if name in {"HTTPException", "StarletteHTTPException"}:
                yield f"{line}: import of {name}"


def names_a_tenant(source: Source) -> Iterator[str]:
    """One module names a tenant's schema, a tenant's role and `search_path`."""
    if source.below("") and not source.below("core/db/tenancy.py", "dev/servers"):
        for line, text in source.strings():
            if _TENANT_NAME.search(text):
                yield f"{line}: {text!r}"


def reads_the_environment(source: Source) -> Iterator[str]:
    """Processes and commands read the settings when they start and pass them on."""
    if not source.below("") or source.below(*_ENTRY_POINTS):
        return
    for line, name in source.imported():
        if name == "load_settings":
            yield f"{line}: import of {name}"
    for node in source.all(ast.Attribute):
        if node.attr in {"environ", "getenv"}:
            yield f"{node.lineno}: .{node.attr}"


def is_too_long(source: Source) -> Iterator[str]:
    """A function fits a screen. Generated migrations are as long as what they create."""
    if source.path.is_relative_to("src/alembic"):
        return
    lines = source.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"1: {lines} lines"
    for function in source.functions():
        lines = (function.end_lineno or 0) - function.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            yield f"{function.lineno}: {function.name} has {lines} lines"


def suppresses_without_a_reason(source: Source) -> Iterator[str]:
    """A check that is switched off says which and why: `# noqa: S105  a limit, no token`."""
    for line, comment in source.comments():
        if _SUPPRESSION.match(comment) and not _EXPLAINED.match(comment):
            yield f"{line}: {comment}"


def prints(source: Source) -> Iterator[str]:
    """A service logs; only a command prints."""
    if source.below("") and not source.below("cli", "cli.py", "dev"):
        for node in source.all(ast.Name):
            if node.id == "print":
                yield f"{node.lineno}: print"


def exports_again(source: Source) -> Iterator[str]:
    """A name is imported from the module that defines it; api/v1 discovers its routers."""
    if source.below("") and source.path.name == "__init__.py" and not source.below("api/v1"):
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
    (ends_a_transaction, "services/x.py", "await session.commit()"),
    (ends_a_transaction, "services/x.py", "await connection.execute('ROLLBACK')"),
    (ends_a_transaction, "api/v1/x.py", "from sqlalchemy.ext.asyncio import AsyncSession"),
    (raises_what_no_caller_knows, "services/x.py", "raise ValueError('too many')"),
    (raises_what_no_caller_knows, "repositories/public/x.py", "raise LookupError"),
    (raises_what_no_caller_knows, "api/v1/x.py", "from fastapi import HTTPException"),
    (names_a_tenant, "services/x.py", "f'tenant_{slug}'"),
    (names_a_tenant, "core/db/x.py", "f'lobby_{installation}_tenants'"),
    (names_a_tenant, "repositories/x.py", "text('SET LOCAL ROLE x')"),
    (names_a_tenant, "repositories/x.py", "x = \"set_config('search_path', 'x', true)\""),
    (reads_the_environment, "services/x.py", "os.environ['DATABASE__URL']"),
    (reads_the_environment, "core/x.py", "from app.core.settings import load_settings"),
    (is_too_long, "services/x.py", _LONG),
    (is_too_long, "services/x.py", "x = 1\n" * (MAX_FILE_LINES + 1)),
    (suppresses_without_a_reason, "services/x.py", "import os  # noqa"),
    (suppresses_without_a_reason, "services/x.py", "import os  # noqa: F401"),
    (suppresses_without_a_reason, "services/x.py", "x = y  # type: ignore[attr-defined]"),
    (prints, "services/x.py", "print('x')"),
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


@pytest.mark.slow
def test_every_file_keeps_every_rule() -> None:
    # One test: each process of pytest-xdist that takes a part of it parses every file.
    broken = [
        f"{source.path}:{line} {rule.__name__}: {rule.__doc__}"
        for source in sources()
        for rule in RULES
        for line in rule(source)
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_the_rule_finds(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(Path("src/app", path), text)))
