"""Which tests of which render `make test` runs: docs/adr/0005.

A covering array of pairs runs whole suites. The others run what an answer can change, what no whole suite has with
the same text, and one share of the rest, which rotates with the commit.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final

from matrix import choices, name, pairs
from render import ROOT, questions
from suites import suite_files

SHARES: Final = 8
"""As many commits in a row bring every test file to every combination."""

EVERYWHERE: Final = (
    # Admission and isolation, on every route; what names a tenant.
    "routes/test_attacks.py::test_a_route_admits_nobody_else",
    "routes/test_callable.py",
    "routes/test_attacks.py::test_what_is_served_beside_the_api_is_public_on_purpose",
    "test_admission.py",
    "test_isolation.py",
    "test_context_*.py",
    "test_tenant_names.py",
    # From sign-up to the first request.
    "test_auth_registration.py::test_whoever_answers_the_mail_goes_on_in_the_same_session",
    "test_auth_login.py",
    "test_invite_acceptance.py::test_a_signed_in_user_joins_from_the_lobby_or_another_tenant",
    "test_oidc_sign_in.py",
    "test_oidc_return.py",
    "test_oidc_users.py::test_a_newcomer_signs_in_and_joins_by_the_invites_link",
    "test_invite_senders.py::test_an_acceptance_sees_a_role_that_is_changed_at_that_moment",
    "test_my_invites.py::test_a_user_accepts_and_works_there",
    "test_sign_in_rules.py",
    "test_pages_*.py",
    "test_projects.py",
    # A tenant is made and dropped, by its engine.
    "test_background_work.py::test_each_kind_of_work",
    # Limits.
    "test_rate_limits.py",
    "test_rate_limits_memory.py",
    "test_auth_rate_limits.py",
    "test_member_rate_limits.py",
    "test_oidc_rate_limits.py",
    # Migrations.
    "test_migrations.py::test_both_trees_lead_to_the_models",
    "test_migrations.py::test_nothing_is_written_where_models_and_migrations_agree",
    "test_migrations.py::test_a_tenant_that_is_behind_is_migrated",
    # Settings, the wiring, and the documents: what three answers and more change.
    "test_settings.py",
    "test_host_injection.py",
    "test_documents*.py",
    "test_rules_imports.py",
)
"""What every combination runs, whatever its share: test files below a render's tests/, or tests of them."""

ONCE_FOR_EACH_TEXT: Final = {
    "test_health.py": "src/app/main.py",
    "test_pooler.py": "docs/deployment.md",
    "test_reverse_proxy.py": "docs/deployment.md",
}
"""Test files of what many combinations have with the same text, and the file that has it."""


def in_turn[T](parameters: Sequence[T], *, every: int = 1) -> Sequence[T]:
    """Return one of some parameters, another one at `every` so many commits, under `make test`; all of them otherwise."""
    return [parameters[turn() // every % len(parameters)]] if is_thin() else parameters


def is_thin() -> bool:
    """Whether `make test` shares out what `make test-all` runs whole."""
    return "THIN" in os.environ


@cache
def turn() -> int:
    """Return the number of commits, or what the variable TURN says."""
    if "TURN" in os.environ:
        return int(os.environ["TURN"])
    counted = subprocess.run(
        ["git", "rev-list", "--count", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return int(counted.stdout or 0)


@dataclass(frozen=True)
class Share:
    """What one render runs."""

    tests: list[str] = field(default_factory=list)
    """Files, and tests of others, as pytest takes them; none for the whole suite."""
    whole: int = 0
    """How many of its test files run whole."""
    of: int = 0
    """How many it has."""

    def __str__(self) -> str:
        return f"{self.whole} of {self.of} test files" if self.tests else "whole"


def plan(services: Mapping[str, Path], turn: int) -> dict[str, Share]:
    """Share the tests of renders, by the names of their combinations, out among them.

    Those of the covering array run whole; where ANSWERS leaves none of it, the first does.
    """
    covering = {name(answers) for answers in pairs(choices(questions()))} & services.keys()
    covering = covering or set(list(services)[:1])
    whole = {text for each in covering for text in suite_files(services[each]).items()}
    tried = {tried for each in covering for tried in _tried(services[each])}
    shares = {}
    for number, (combination, service) in enumerate(services.items()):
        texts = suite_files(service)
        if combination in covering:
            shares[combination] = Share(whole=len(texts), of=len(texts))
            continue
        own = {file for file, text in texts.items() if (file, text) not in whole}
        own |= {file for file, text in _tried(service) if (file, text) not in tried}
        tried |= _tried(service)
        files = own | _everywhere(service) | _nth(sorted(texts), number + turn)
        tests = [test for test in _parts(service) if test.partition("::")[0] not in files]
        shares[combination] = Share([*sorted(files), *tests], len(files), len(texts))
    return shares


def _nth(files: list[str], n: int) -> set[str]:
    # The same file is another one's turn in each combination: the costly ones do not come all at once.
    return set(files[n % SHARES :: SHARES])


def _tried(service: Path) -> set[tuple[str, str]]:
    """Return the render's test files of ONCE_FOR_EACH_TEXT, each with the text that it tries."""
    return {
        (f"tests/{test}", (service / file).read_text())
        for test, file in ONCE_FOR_EACH_TEXT.items()
        if (service / "tests" / test).exists()
    }


def _everywhere(service: Path) -> set[str]:
    patterns = [f"tests/{pattern}" for pattern in EVERYWHERE if "::" not in pattern]
    return {file for file in suite_files(service) if any(fnmatch(file, each) for each in patterns)}


def _parts(service: Path) -> list[str]:
    tests = [f"tests/{pattern}" for pattern in EVERYWHERE if "::" in pattern]
    return [test for test in tests if (service / test.partition("::")[0]).exists()]
