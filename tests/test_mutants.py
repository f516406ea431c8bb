"""Holes that are made in what keeps tenants apart: a render's own tests find each of them."""

import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import pytest

from conftest import Renderer
from leaks import CHANGES, ROUTES
from matrix import Answers, name
from mutants import Mutant, mutants_of, mutated
from plan import is_thin, turn
from suites import Outcome, mirror, run_suite, serving

SHARES: Final = 8

OTHERWISE: Final = {"background_engine": "inline", "rate_limit_backend": "none"}
COMBINATIONS: Final[list[Answers]] = [
    {"tenant_strategy": "header", "auth_mode": "password", **OTHERWISE},
    {"tenant_strategy": "subdomain", "auth_mode": "both", **OTHERWISE},
    {"tenant_strategy": "path", "auth_mode": "oidc", **OTHERWISE},
    {"tenant_strategy": "token", "auth_mode": "password", **OTHERWISE},
]
"""Each way to name a tenant and to sign in. A mutant of a file that several have is made in the first of them."""

ATTACKS: Final = "tests/routes/test_attacks.py"
ROUTE: Final = re.compile(rf"{re.escape(ATTACKS)}::\w+\[(\w+)\]")
"""How pytest names the test of a route."""

# What finds a hole sooner than the whole suite does, where that is not the attacks, or not they alone.
NEAREST: Final = {
    "lobby_0002_admission.py": "admission isolation unit_of_work admin_identity database_roles ATTACKS",
    "lobby_0003_admission.py": "admission isolation auth_derived_sessions unit_of_work admin_identity database_roles ATTACKS",
    "credentials.py": "ATTACKS auth_login",
    "email_verifications.py": "auth_passwords auth_verification auth_registration",
    "memberships.py": "ATTACKS members invite_senders my_invites seed",
    "lobby_0004_freed_slugs.py": "freed_slugs",
    "refresh_tokens.py": "ATTACKS members auth_derived_sessions",
    "tenant_invites.py": "ATTACKS my_invites invite_senders invites invite_acceptance members deletion",
    "tenants.py": "ATTACKS invite_acceptance",
    "workflow_executions.py": "ATTACKS admin",
    "tenant_sign_in_rules.py": "ATTACKS sign_in_rules sign_in_doors",
    "sign_in_0002_doors.py": "sign_in_doors sign_in_rules",
    "guarded_sessions.py": "sign_in_rules",
    "guarded_tenants.py": "sign_in_doors",
    "user_identities.py": "oidc_users cli_identities oidc_sign_in",
    "clean_up_password.py": "clean_up_registrations",
    "email_delivery.py": "email_delivery email_delivery_verifications",
    "provisioning.py": "provisioning",
    "seeding.py": "seed",
    "tenant_work.py": "workflow_attempts",
}

ADMISSION: Final = "src/app/api/dependencies/admission.py"
TWICE: Final = "The database has refused before; either check would do."
EQUIVALENT: Final = {
    (ADMISSION, "admitted is None is no matter"): TWICE,
    (ADMISSION, "tenant is None is no matter"): TWICE,
    (ADMISSION, "not _tenant(request).role.at_least(role) is no matter"): TWICE,
    (
        "src/alembic/public/lobby/lobby_0003_admission.py",
        "array_position(ranks, found_role) < array_position(ranks, p_at_least) is false",
    ): "`_with_role` refuses as well; either check would do.",
    (
        "src/app/repositories/public/refresh_tokens.py",
        "col(User.id) == col(RefreshToken.user_id) is left out",
    ): "It says which user is locked: without it all are, which tells and changes nothing.",
    (
        "src/app/repositories/public/refresh_tokens.py",
        "col(RefreshToken.user_id) == current.user_id is left out",
    ): "The sessions of a sign-in are one user's: it lets the index of users find them.",
    (
        "src/app/api/context/tenant_subdomain.py",
        "named_tenant(slug, claims, how=how) is not called",
    ): "It is asked for the token's own slug, which was compared with the host just before.",
}
"""What no test can find, and why: by file and rule."""


@dataclass
class Hunt:
    """Mutants that are in one run of the tests, because each is of a route, and a route's test is its own."""

    service: Path
    mutants: list[Mutant]
    survivors: list[Mutant] = field(default_factory=list)
    equivalent: int = 0


def hunts_in(service: Path, known: set[tuple[str, str, str, int]]) -> Iterator[Hunt]:
    """Yield hunts for a render's mutants, but for those that an earlier render had."""
    routes: dict[str, list[Mutant]] = defaultdict(list)
    times: Counter[tuple[str, str]] = Counter()
    for mutant in mutants_of(service):
        # What names the tenant is another matter in each strategy.
        strategy = str(service) if "/context/" in mutant.path else ""
        times[mutant.path, mutant.rule] += 1
        key = (strategy, mutant.path, mutant.rule, times[mutant.path, mutant.rule])
        if key in known:
            continue
        known.add(key)
        if mutant.path.startswith("src/app/api/v1/"):
            routes[mutant.function].append(mutant)
        else:
            yield Hunt(service, [mutant])
    for batch in zip_longest(*routes.values()):
        yield Hunt(service, [mutant for mutant in batch if mutant is not None])


def share[T](hunts: list[T]) -> list[T]:
    """Return one of some shares of these, which rotates with the commit, under `make test`; all of them otherwise."""
    return hunts[turn() % SHARES :: SHARES] if is_thin() else hunts


def nearest(mutant: Mutant) -> list[str]:
    """The tests that most likely find a mutant, the likeliest first."""
    names = NEAREST.get(Path(mutant.path).name, "ATTACKS").split()
    return [ATTACKS if name == "ATTACKS" else f"tests/test_{name}.py" for name in names]


def changed(mutants: list[Mutant]) -> dict[str, str]:
    """The files of a render with these holes."""
    files: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        files[mutant.path].append(mutant)
    return {path: mutated(of_file) for path, of_file in files.items()}


@dataclass(frozen=True)
class Hunter:
    """Runs the tests of mutants in a folder of its own."""

    folder: Path
    environment: dict[str, str]

    def hunt(self, hunt: Hunt) -> Hunt:
        """Find out which mutants nothing finds."""
        alone = len(hunt.mutants) == 1
        arguments = ["-x", *nearest(hunt.mutants[0])] if alone else [ATTACKS]
        outcome = self.run(hunt.service, hunt.mutants, *arguments)
        found = {match[1] for line in outcome.failed if (match := ROUTE.search(line))}
        for mutant in hunt.mutants:
            if outcome.exit_code == 0 if alone else mutant.function not in found:
                if self.is_equivalent(hunt.service, mutant):
                    hunt.equivalent += 1
                elif self.survives(hunt.service, mutant):
                    hunt.survivors.append(mutant)
        return hunt

    def survives(self, service: Path, mutant: Mutant) -> bool:
        """Tell whether neither the attacks nor all tests find a mutant."""
        return all(
            self.run(service, [mutant], "-x", *tests).exit_code == 0 for tests in ((ATTACKS,), ())
        )

    def run(self, service: Path, mutants: list[Mutant], *arguments: str) -> Outcome:
        """Run tests of a render with these holes."""
        files = changed(mutants)
        outcome = run_suite(service, self.folder, self.environment, *arguments, changed=files)
        # Anything else is no test that failed, such as a file that is no Python any more.
        assert outcome.exit_code in {0, 1}, f"{mutants[0].diff}\n{outcome.output}"
        return outcome

    def is_equivalent(self, service: Path, mutant: Mutant) -> bool:
        """Tell whether nothing can find a mutant: it has a reason, or its routes demand what they did."""
        if (mutant.path, mutant.rule) in EQUIVALENT:
            return True
        if " becomes " not in mutant.rule and not mutant.rule.startswith("requires("):
            return False
        mirror(service, self.folder)
        (self.folder / mutant.path).write_text(mutated([mutant]))
        return demands(self.folder) == demands_without_holes(service)


def demands(service: Path) -> str:
    """What each route of a render demands of its caller."""
    code = "from tests.routes.access import *; print({name: demanded_by(name) for name in ALL})"
    environment = os.environ | {"PYTHONPATH": f"src{os.pathsep}.", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=service, env=environment, check=True, capture_output=True, text=True
    ).stdout


@cache
def demands_without_holes(service: Path) -> str:
    """What each route of a render demands; the render is not changed meanwhile."""
    return demands(service)


@pytest.fixture(scope="module")
def hunts(
    render: Renderer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, list[Future[Hunt]]]]:
    """The hunts in each combination, on servers that all share."""
    hunters: SimpleQueue[Hunter] = SimpleQueue()

    def run(hunt: Hunt) -> Hunt:
        hunter = hunters.get()
        try:
            return hunter.hunt(hunt)
        finally:
            hunters.put(hunter)

    at_once = (os.cpu_count() or 1) + 1
    known: set[tuple[str, str, str, int]] = set()
    # All of them first: rendering changes the folder in which a process of the pool would begin.
    services = {name(answers): render(**answers) for answers in COMBINATIONS}
    # This answer has each server that suites share.
    with serving(render(auth_mode="both")) as environment, ThreadPoolExecutor(at_once) as pool:
        for n in range(at_once):
            folder = tmp_path_factory.mktemp("hunt") / f"service-{n}"
            hunters.put(Hunter(folder, environment))
        yield {
            combination: [pool.submit(run, hunt) for hunt in share(list(hunts_in(service, known)))]
            for combination, service in services.items()
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.serial
@pytest.mark.slow
@pytest.mark.parametrize("combination", COMBINATIONS, ids=name)
def test_no_hole_stays_unnoticed(
    hunts: dict[str, list[Future[Hunt]]],
    combination: Answers,
    tell: Callable[[str], None],
) -> None:
    done = [hunt.result() for hunt in hunts[name(combination)]]
    mutants = sum(len(hunt.mutants) for hunt in done)
    survivors = [mutant for hunt in done for mutant in hunt.survivors]
    equivalent = sum(hunt.equivalent for hunt in done)
    found = mutants - equivalent - len(survivors)
    tell(f"{name(combination)}: {mutants} mutants, {found} found, {equivalent} change nothing")
    assert not survivors, "\n".join(f"{mutant.name}\n{mutant.diff}" for mutant in survivors)


def test_leaks_are_of_every_kind(render: Renderer) -> None:
    first = [mutant.rule for mutant in mutants_of(render(**COMBINATIONS[0]))]
    whats = [*(leak.what for leak in ROUTES), *(change.what for change in CHANGES)]
    assert len(whats) >= 20
    assert [first.count(what) for what in whats] == [1] * len(whats)


def test_reasons_are_of_mutants(render: Renderer) -> None:
    of_each = [mutants_of(render(**answers)) for answers in COMBINATIONS]
    assert all(of_each), "a combination whose rules find nothing"
    made = {(mutant.path, mutant.rule) for mutants in of_each for mutant in mutants}
    assert EQUIVALENT.keys() <= made
    assert NEAREST.keys() <= {Path(path).name for path, _ in made}
