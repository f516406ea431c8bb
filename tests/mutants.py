"""Holes in what keeps tenants and roles apart, made in a render's source by rules: no place is named by hand.

Each rule takes one thing away. Code is changed where Python's own parser says, so that the rest of a file stays as it is.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Final

from leaks import CHANGES, IMPORTS
from leaks import ROUTES as LEAKS

WEAKER: Final = {
    "SuperUser": "CurrentUser",
    "PersonalOwner": "OwnerUser",
    "OwnerUser": "AdminUser",
    "Inviter": "AdminUser",
    "Invitee": "VerifiedUser",
    "LeftTenant": "ValidatedTenant",
    "AdminUser": "ValidatedTenant",
    "ValidatedTenant": "CurrentUser",
    "TenantDBSession": "DBSession",
    "ActingMemberDep": "CurrentUser",
    "Founder": "VerifiedUser",
    "VerifiedUser": "CurrentUser",
    "PersonalUser": "CurrentUser",
    "CurrentUser": "OptionalUser",
    "InvitedUser": "OptionalUser",
}
"""What a route, or a dependency, may ask for, and what asks for one thing less."""

ADMISSION: Final = "app.api.dependencies.admission"
PLACES: Final = dict.fromkeys(("DBSession", "TenantDBSession"), "app.api.dependencies.sessions")
"""Where those are that are not in `ADMISSION`."""

NOTHING: Final = "requires(Requirement(user=False))"

OWNED: Final = re.compile(r"col\((\w+\.(tenant_id|user_id)|(Tenant|User)\.id)\)")
"""What says whose a row is."""


type Found = tuple[int, str, tuple[Edit, ...], str]
"""A line, what is done there, how, and in which function."""

type Rule = Callable[[str, ast.Module], Iterator[Found]]

type Edit = tuple[int, int, str]
"""From where to where in a file's bytes, and what stands there instead."""


@dataclass(frozen=True)
class Mutant:
    """A hole in one file of a render."""

    path: str
    """Relative to the render."""
    line: int
    rule: str
    source: str
    edits: tuple[Edit, ...]
    function: str = ""
    """The one that was changed; a route has the name of its function."""

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return f"{self.path}:{self.line}: {self.rule}"

    @property
    def diff(self) -> str:
        """What was changed."""
        texts = (self.source, mutated([self]))
        before, after = (text.splitlines(keepends=True) for text in texts)
        return "".join(unified_diff(before, after, self.path, self.path, n=1))


def mutated(mutants: Iterable[Mutant]) -> str:
    """Return the text of a file with the holes of several mutants of it."""
    mutants = list(mutants)
    text = mutants[0].source.encode()
    for start, end, instead in sorted({e for m in mutants for e in m.edits}, reverse=True):
        text = text[:start] + instead.encode() + text[end:]
    return text.decode()


def mutants_of(service: Path) -> list[Mutant]:
    """Return every mutant of a render."""
    found: list[Mutant] = []
    for pattern, rule in RULES:
        for path in sorted((service / "src").glob(pattern)):
            source = path.read_text()
            for line, what, edits, function in rule(source, ast.parse(source)):
                name = path.relative_to(service).as_posix()
                found.append(Mutant(name, line, what, source, edits, function))
    return found


def replaced(source: str, node: ast.expr, text: str) -> Edit:
    """Return the edit that puts other text in the place of a node."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    start = _line(source, node.lineno) + node.col_offset
    return start, _line(source, node.end_lineno) + node.end_col_offset, text


def imported(source: str, tree: ast.Module, module: str, name: str) -> Edit:
    """Return the edit that imports a name, before the first import."""
    first = next(n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom))
    start = _line(source, first.lineno)
    return start, start, f"from {module} import {name}\n"


def _line(source: str, number: int) -> int:
    return sum(map(len, source.encode().splitlines(keepends=True)[: number - 1]))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions of a module, methods too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def bindings(source: str, tree: ast.Module) -> Iterator[Found]:
    """Let each comparison pass by which a function finds the tenant of a request, or make none at all."""
    for function in functions(tree):
        if function.returns is None or ast.unparse(function.returns) != "ClaimedTenant":
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Compare):
                passes = "False" if isinstance(node.ops[0], ast.Is) else "True"
                edit = replaced(source, node, passes)
                yield node.lineno, f"{ast.unparse(node)} is {passes}", (edit,), function.name
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "named_tenant":
                edits = (
                    replaced(source, node, "ClaimedTenant.of(claims)"),
                    imported(source, tree, "app.api.context.tenant_strategy", "ClaimedTenant"),
                )
                yield node.lineno, f"{ast.unparse(node)} is not called", edits, function.name


def refusals(source: str, tree: ast.Module) -> Iterator[Found]:
    """Let no condition raise."""
    for function in functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise):
                edit = replaced(source, node.test, "False")
                yield node.lineno, f"{ast.unparse(node.test)} is no matter", (edit,), function.name


def demands(source: str, tree: ast.Module) -> Iterator[Found]:
    """Have each parameter ask for the next weaker thing, and each marked dependency for nothing."""
    for function in functions(tree):
        for argument in (*function.args.args, *function.args.kwonlyargs):
            asked = ast.unparse(argument.annotation) if argument.annotation else ""
            if argument.annotation and asked in WEAKER:
                weaker = WEAKER[asked]
                edits = (
                    replaced(source, argument.annotation, weaker),
                    imported(source, tree, PLACES.get(weaker, ADMISSION), weaker),
                )
                yield argument.lineno, f"{asked} becomes {weaker}", edits, function.name
        for mark in function.decorator_list:
            asked = ast.unparse(mark)
            if isinstance(mark, ast.Call) and asked.startswith("requires(") and asked != NOTHING:
                edit = replaced(source, mark, NOTHING)
                yield mark.lineno, f"{asked} is left out", (edit,), function.name


def filters(source: str, tree: ast.Module) -> Iterator[Found]:
    """Drop each comparison with a tenant or a user from a statement, from its joins too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
            sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
            if any(OWNED.fullmatch(side) for side in sides):
                edit = replaced(source, node, "__import__('sqlalchemy').true()")
                yield node.lineno, f"{ast.unparse(node)} is left out", (edit,), ""


CONDITION: Final = re.compile(r"\b(ON|AND|WHERE) (?!CONFLICT)(\([^()]*\)|[^\n;]+?)(?= AND |\n|;)")
CHECK: Final = re.compile(r"\b(IF|ELSIF) (.+?) THEN", re.DOTALL)
SETTING: Final = re.compile(r"set_config\((?:[^()]|\([^()]*\))*\)")


def sql(*functions: str) -> Rule:
    """Drop each condition, each refusal and each setting of functions of the database.

    They are the newest of their names: what a later migration replaces, no test can find.
    """

    def rule(source: str, tree: ast.Module) -> Iterator[Found]:
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                function = ast.unparse(node.targets[0])
                if function in functions:
                    text = ast.get_source_segment(source, node.value) or ""
                    for start, end, instead in _parts(text):
                        changed = text[:start] + instead + text[end:]
                        line = node.value.lineno + text.count("\n", 0, start)
                        edit = replaced(source, node.value, changed)
                        yield line, f"{text[start:end]} is {instead}", (edit,), function

    return rule


def _parts(text: str) -> Iterator[Edit]:
    for found in CONDITION.finditer(text):
        in_check = text.rfind("IF ", 0, found.start()) > text.rfind("THEN", 0, found.start())
        if not in_check or found[1] != "AND":
            yield *found.span(2), "true"
    for found in CHECK.finditer(text):
        yield *found.span(2), "false"
    for found in SETTING.finditer(text):
        yield *found.span(), "NULL"


READS: Final = '''

@router.get("/elsewhere/{n}")
async def of_another_{n}(session: {session}) -> list[str]:
    """Return what another tenant has."""
    for statement in {statements}:
        rows = await session.execute(__import__("sqlalchemy").text(statement))
    return [str(row[0]) for row in rows]
'''

WAYS: Final = [
    ("TenantDBSession", ["SELECT id FROM tenant_globex.projects"]),
    ("DBSession", ["SELECT id FROM tenant_globex.projects"]),
    (
        "TenantDBSession",
        ["SET search_path = tenant_globex", "SELECT id FROM projects"],
    ),
    (
        "TenantDBSession",
        [
            "RESET ROLE",
            "SELECT set_config('role', role_name, true) FROM public.tenants WHERE slug = 'globex'",
            "SELECT id FROM tenant_globex.projects",
        ],
    ),
]
"""Sessions, and what a route may do with them: a role's rights stop all but the last."""


def raw_reads(source: str, tree: ast.Module) -> Iterator[Found]:
    """Add a route that reads another tenant's schema, in each way."""
    end = len(source.encode())
    for n, (session, statements) in enumerate(WAYS):
        text = READS.format(n=n, session=session, statements=statements)
        edits = (imported(source, tree, PLACES[session], session), (end, end, text))
        yield source.count("\n"), f"raw SELECT in {session}", edits, f"of_another_{n}"


def leaks(source: str, tree: ast.Module) -> Iterator[Found]:
    """Add each route that tells a tenant what is another's."""
    end = len(source.encode())
    for leak in LEAKS:
        edits = ((end, end, IMPORTS), (end, end, leak.text))
        yield source.count("\n"), leak.what, edits, leak.function


def changes(path: str) -> Rule:
    """Return the rule that makes each leak of a file."""

    def rule(source: str, tree: ast.Module) -> Iterator[Found]:
        text = source.encode()
        for change in CHANGES:
            if change.path == path:
                edits = []
                for before, after in change.edits:
                    assert source.count(before) == 1, before
                    start = text.index(before.encode())
                    edits.append((start, start + len(before.encode()), after))
                line = text.count(b"\n", 0, edits[0][0]) + 1
                yield line, change.what, tuple(edits), ""

    return rule


RULES: Final[Iterable[tuple[str, Rule]]] = (
    ("app/api/context/*.py", bindings),
    ("app/api/dependencies/admission.py", refusals),
    ("app/api/dependencies/*.py", demands),
    ("app/api/v1/*.py", demands),
    ("app/repositories/public/*.py", filters),
    ("app/services/*.py", filters),
    ("alembic/public/lobby/lobby_0002_admission.py", sql("RECORD_AUDIT")),
    (
        "alembic/public/lobby/lobby_0003_admission.py",
        sql("ADMIT_USER", "ADMIT_MEMBER", "ENTER_TENANT"),
    ),
    ("alembic/public/lobby/lobby_0004_freed_slugs.py", sql("HOLD_SLUG")),
    (
        "alembic/public/sign_in/sign_in_0002_doors.py",
        sql("PROVIDER_REQUIRED", "ADMIT_VOUCHED_MEMBER"),
    ),
    ("app/services/guarded_*.py", refusals),
    ("app/api/v1/projects.py", raw_reads),
    ("app/api/v1/projects.py", leaks),
    *((path, changes(path)) for path in sorted({change.path for change in CHANGES})),
)
