"""Which answers the template takes, and what it says to the others."""

import keyword
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from copier import run_copy
from packaging.utils import canonicalize_name

from conftest import Renderer
from matrix import Answers, choices, combinations, name
from render import ROOT, parse_answers, questions


@pytest.mark.parametrize("answers", combinations(), ids=name)
def test_every_combination_is_accepted(render: Renderer, answers: Answers) -> None:
    recorded = yaml.safe_load((render(**answers) / ".copier-answers.yml").read_text())
    assert answers.items() <= recorded.items()


def test_every_question_explains_itself_and_has_a_default() -> None:
    for name_, question in questions().items():
        assert question["help"], name_
        assert question["default"], name_
        assert question.get("choices") or question["validator"], name_


@pytest.mark.parametrize(
    "project_name",
    [
        "Acme",
        "Café Zoé & Söhne (EU)",
        "Bob’s – École",
        "E\u0301cole",
        "x",
        "2nd Street",
        "a" * 60,
        "Bob's, Ltd.",
    ],
)
def test_good_name(render: Renderer, project_name: str) -> None:
    # A slug must start with a letter; this one is found in every name that has one.
    service = render(project_name=project_name)
    assert re.search(
        r'^name = "[a-z][a-z0-9-]*"$', (service / "pyproject.toml").read_text(), re.MULTILINE
    )


REFUSED = [
    ("project_name", "", "The name is empty"),
    ("project_name", " Acme", "starts or ends with a space"),
    ("project_name", 'Acme "Billing"', "Start with a letter or digit;"),
    ("project_name", "Acme\nBilling", "Start with a letter or digit;"),
    ("project_name", "{{ 7 * 7 }}", "Start with a letter or digit;"),
    ("project_name", "a" * 200, "use at most 60"),
    ("project_slug", "", "The slug is empty"),
    ("project_slug", "Acme", "Start with a to z;"),
    ("project_slug", "acme_billing", "Start with a to z;"),
    ("project_slug", "acme--billing", "Start with a to z;"),
    ("project_slug", "1acme", "Start with a to z;"),
    ("project_slug", "-acme", "Start with a to z;"),
    ("project_slug", "acme-", "Start with a to z;"),
    ("project_slug", "acme\n", "Start with a to z;"),
    ("project_slug", "../acme", "Start with a to z;"),
    ("project_slug", "a" * 200, "use at most 40"),
    (
        "project_slug",
        "class",
        "A keyword of Python. Choose another, such as class-service",
    ),
    ("project_slug", "json", "A module of Python's own"),
    ("project_slug", "alembic", "An installed package"),
    ("project_slug", "typing-extensions", "An installed package"),
    ("project_slug", "app", "A folder of every service"),
    ("description", " ", "The description is empty"),
    ("description", 'The "best" one.', 'without " '),
    ("description", "Two\nlines.", 'without " '),
    ("description", "C:\\temp", 'without " '),
    ("description", "Two\u2028lines.", "Use one line"),
    ("description", "Turned \u202eround.", "turn text round"),
    ("description", "a" * 200, "use at most 76"),
    ("tenant_strategy", "cookie", "'cookie' is not in ['header', 'subdomain', 'path', 'token'"),
    ("background_engine", "cron", "'cron' is not in ['temporal', 'postgres', 'inline']"),
    ("rate_limit_backend", "disk", "'disk' is not in ['redis', 'memory', 'none'"),
    ("auth_mode", "", "'' is not in ['password'"),
]


@pytest.mark.parametrize(
    ("question", "answer", "sentence"), REFUSED, ids=[f"{q}={a[:20]!r}" for q, a, _ in REFUSED]
)
def test_bad_answer_is_refused_with_a_sentence(
    question: str, answer: str, sentence: str, template: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as refused:
        run_copy(str(template), tmp_path / "s", data={question: answer}, defaults=True, quiet=True)
    assert not (tmp_path / "s").exists()
    if question not in choices(questions()):
        told = str(refused.value).partition(f"'{question}': ")[2]
        assert 0 < len(told) < 80, "a prompt cuts it off"


@pytest.mark.parametrize(
    ("folder", "name_", "slug"),
    [
        ("acme", "acme", "acme"),
        ("Calendar", "Calendar", "calendar-service"),
        ("app", "app", "app-service"),
        ("注文", "注文", "my-service"),
        ("_acme@2", "_acme 2", "acme-2"),
        ("{{ 7 }}", "7", "my-service"),
        ("...", "My service", "my-service"),
        ("a" * 80, "a" * 60, "a" * 40),
    ],
)
def test_every_folder_has_defaults_that_are_accepted(
    template: Path, tmp_path: Path, folder: str, name_: str, slug: str
) -> None:
    run_copy(str(template), tmp_path / folder, defaults=True, quiet=True)
    answers = yaml.safe_load((tmp_path / folder / ".copier-answers.yml").read_text())
    assert (answers["project_name"], answers["project_slug"]) == (name_, slug)


def test_slug_refuses_every_name_that_is_taken() -> None:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(ROOT), autoescape=True)
    reserved: Any = environment.get_template("extensions/reserved.jinja").module
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    taken = {
        "keywords": keyword.kwlist,
        "standard_library": [n for n in sys.stdlib_module_names if n not in keyword.kwlist],
        "dependencies": [*locked, *packages_distributions()],
    }
    known = {word for names in taken for word in getattr(reserved, names)}
    missing = {
        f"{names}: {word}"
        for names, words in taken.items()
        for word in map(canonicalize_name, words)
        if re.fullmatch(r"[a-z](-?[a-z0-9])*", word) and word not in known
    }
    assert not missing, "add to extensions/reserved.jinja"


def test_answer_on_the_command_line_must_name_a_question() -> None:
    assert parse_answers(["project_name=a=b"]) == {"project_name": "a=b"}
    with pytest.raises(ValueError, match="'auth' is no question"):
        parse_answers(["auth=password"])
    with pytest.raises(ValueError, match="write question=answer"):
        parse_answers(["password"])


def test_manifest_has_a_line_for_every_answer() -> None:
    manifest = (ROOT / "extensions/files.jinja").read_text()
    for question, offered in choices(questions()).items():
        table = re.search(rf"\[{question}, {{(.*?)}}\]", manifest, re.DOTALL)
        assert table, question
        assert re.findall(r'^ *"(\w+)": \[', table[1], re.MULTILINE) == offered


def test_manifest_names_files_that_exist() -> None:
    manifest = (ROOT / "extensions/files.jinja").read_text()
    for path in re.findall(r'"(/[^"]+)"', manifest):
        assert any(
            (ROOT / "template" / f"{path.strip('/')}{suffix}").exists() for suffix in ("", ".jinja")
        ), path
