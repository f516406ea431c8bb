"""Rules that a reviewer would otherwise have to remember; docs/architecture.md says what each is for.

A rule is a function from a source file to what breaks it there. Every rule is tried on the whole code base and on a
snippet that it must find.
"""

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, cast

import pytest

ROOT: Final = Path(__file__).parents[1]

type Rule = Callable[["Source"], Iterator[str]]

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
    if source.below("") and not source.below(
        "core/db/tenancy.py", "core/db/bootstrap.py", "dev/servers"
    ):
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


def prints(source: Source) -> Iterator[str]:
    """A service logs; only a command prints."""
    if source.below("") and not source.below("cli", "cli.py", "dev"):
        for node in source.all(ast.Name):
            if node.id == "print":
                yield f"{node.lineno}: print"


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
    (prints, "services/x.py", "print('x')"),
]
RULES: Final = list(dict.fromkeys(rule for rule, _, _ in BROKEN))


def broken_in(rules: list[Rule]) -> list[str]:
    return [
        f"{source.path}:{line} {rule.__name__}: {rule.__doc__}"
        for source in sources()
        for rule in rules
        for line in rule(source)
    ]


@pytest.mark.slow
def test_every_file_keeps_every_rule() -> None:
    # One test: each process of pytest-xdist that takes a part of it parses every file.
    broken = broken_in(RULES)
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_the_rule_finds(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(Path("src/app", path), text)))
