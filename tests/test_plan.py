"""What `make test` runs of each render, and that thinning loses nothing that it promises."""

import fnmatch
from collections import defaultdict
from pathlib import Path

import pytest

from conftest import Renderer
from matrix import choices, name, pairs, product
from plan import EVERYWHERE, ONCE_FOR_EACH_TEXT, SHARES, in_turn, plan
from render import questions
from suites import suite_files

EVERY = [name(answers) for answers in product(choices(questions()))]
COVERING = {name(answers) for answers in pairs(choices(questions()))}


def services(folder: Path, **texts: dict[str, str]) -> dict[str, Path]:
    """Renders of every combination with these test files; `{combination}` is replaced in their texts."""
    for combination in EVERY:
        for file, text in texts["files"].items():
            path = folder / combination / "tests" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{combination}", combination))
    return {combination: folder / combination for combination in EVERY}


@pytest.fixture
def renders(tmp_path: Path) -> dict[str, Path]:
    common = {f"test_{n}.py": "" for n in range(20)}
    own = {"test_own.py": "{combination}", "test_projects.py": "", "routes/test_attacks.py": ""}
    return services(tmp_path, files=common | own | {"test_background_work.py": ""})


def test_a_covering_array_runs_whole_suites(renders: dict[str, Path]) -> None:
    shares = plan(renders, 0)
    assert {each for each, share in shares.items() if not share.tests} == COVERING
    assert len(COVERING) == 12


def test_every_other_runs_what_an_answer_can_change(renders: dict[str, Path]) -> None:
    for each, share in plan(renders, 3).items():
        if each not in COVERING:
            assert "tests/test_projects.py" in share.tests
            for part in (
                "tests/test_background_work.py::test_each_kind_of_work",
                "tests/routes/test_attacks.py::test_a_route_admits_nobody_else",
            ):
                # Not beside the file that it is of.
                assert (part in share.tests) != (part.partition("::")[0] in share.tests)


def test_a_file_that_no_whole_suite_has_runs_wherever_it_is(renders: dict[str, Path]) -> None:
    for share in plan(renders, 5).values():
        assert not share.tests or "tests/test_own.py" in share.tests


def test_what_tries_a_text_runs_once_for_each(renders: dict[str, Path]) -> None:
    for each, render in renders.items():
        (render / "tests" / "test_health.py").write_text("")
        (render / "src" / "app").mkdir(parents=True)
        (render / "src" / "app" / "main.py").write_text(each.partition("-")[0])
    renders["token-inline-none-both"].joinpath("src/app/main.py").write_text("of its own")
    twice = [plan(renders, commit) for commit in (0, 1)]
    both = {
        each
        for each in EVERY
        if each not in COVERING
        and all("tests/test_health.py" in shares[each].tests for shares in twice)
    }
    assert both == {"token-inline-none-both"}


def test_the_rest_comes_to_every_combination_within_a_handful_of_commits(
    renders: dict[str, Path],
) -> None:
    ran: dict[str, set[str]] = defaultdict(set)
    for commit in range(100, 100 + SHARES):
        shares = plan(renders, commit)
        rest = [
            len([test for test in share.tests if test.startswith("tests/test_1")])
            for share in shares.values()
            if share.tests
        ]
        assert max(rest) <= 10 / SHARES + 1, "they come all at once"
        for each, share in shares.items():
            ran[each] |= set(share.tests)
    for each in EVERY:
        if each not in COVERING:
            files = {
                path.relative_to(renders[each]).as_posix() for path in renders[each].rglob("*.py")
            }
            assert files <= ran[each]


def test_where_answers_leave_none_of_the_array_one_runs_whole(renders: dict[str, Path]) -> None:
    left = {each: renders[each] for each in EVERY[1:3]}
    assert [bool(share.tests) for share in plan(left, 0).values()] == [False, True]


@pytest.mark.parametrize("combination", sorted(COVERING))
def test_what_runs_everywhere_is_there(render: Renderer, combination: str) -> None:
    """A name that no render has any more would quietly run nothing."""
    [answers] = [each for each in product(choices(questions())) if name(each) == combination]
    tests = render(**answers) / "tests"
    for pattern in EVERYWHERE:
        file, _, test = pattern.partition("::")
        if test:
            assert all(f"def {test}(" in path.read_text() for path in tests.glob(file))


def test_each_pattern_is_of_some_render(render: Renderer) -> None:
    renders = [render(**answers) for answers in pairs(choices(questions()))]
    for pattern in (*EVERYWHERE, *ONCE_FOR_EACH_TEXT):
        file = f"tests/{pattern.partition('::')[0]}"
        assert any(fnmatch.filter(suite_files(each), file) for each in renders), pattern
    for file in ONCE_FOR_EACH_TEXT.values():
        assert all((each / file).is_file() for each in renders), file


def test_one_of_several_is_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THIN", raising=False)
    assert in_turn([1, 2, 3]) == [1, 2, 3]
    monkeypatch.setenv("THIN", "yes")
    assert len(in_turn([1, 2, 3])) == 1


def test_each_comes_in_turn_where_its_tests_come_at_every_other_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("THIN", "yes")
    came: set[int] = set()
    for commit in range(0, 6, 2):
        monkeypatch.setattr("plan.turn", lambda commit=commit: commit)
        came.update(in_turn([1, 2, 3], every=2))
    assert came == {1, 2, 3}
