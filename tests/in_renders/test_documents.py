"""The documents say what the code does: codes, settings, states, decisions, and no dead link."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo

from app.core import about
from app.core.sections import Section
from app.core.settings import Settings, SettingsError, load_settings
from tests.test_problems import errors_with_a_code

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
DOCUMENTS: Final = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
ADRS: Final = sorted((DOCS / "adr").glob("0*.md"))
SETTING: Final = re.compile(r"\b[A-Z]+(?:_[A-Z]+)*__[A-Z_]+\b")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    words = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\]\(.*?\)", "", heading).lower())
    return words.replace(" ", "-")


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", without_code(path.read_text()), re.MULTILINE)
    return {anchor(heading) for heading in headings}


def links(path: Path) -> Iterator[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text()))
    return (target for target in targets if "://" not in target)


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from fields(kind, f"{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", field


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    adapter: TypeAdapter[Any] = TypeAdapter(field.annotation or str)
    value = json.loads(adapter.dump_json(field.default))
    return value if isinstance(value, str) else json.dumps(value)


def documented_settings() -> dict[str, str]:
    documented: dict[str, str] = {}
    for line in "".join(path.read_text() for path in DOCS.glob("settings*.md")).splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            documented[cells[0]] = cells[1].replace("<slug>", about.SLUG)
    return documented


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {
        name: "".join(shlex.split(value))
        for name, _, value in (line.partition("=") for line in lines if line[:1] not in ("", "#"))
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    for link in links(document):
        file, _, fragment = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), link
        if fragment:
            assert fragment in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_files_that_are_named_exist(document: Path) -> None:
    places = (ROOT, *(ROOT / "src" / folder for folder in ("", "app", "alembic/tenant")))
    for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", without_code(document.read_text())):
        parents = [place for place in places if (place / name.partition("/")[0]).exists()]
        elsewhere = "invoices" in name or name.startswith(".dev/")  # yours, and a session's
        assert elsewhere or not parents or any((p / name).exists() for p in parents), name


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "compose.yaml"], ids=name_of)
def test_settings_that_are_named_exist(document: Path) -> None:
    known = {name for name, _ in fields(Settings)}
    assert set(SETTING.findall(document.read_text())) <= known


def test_each_setting_is_documented_with_its_default() -> None:
    documented = documented_settings()
    assert documented == {name: default_of(field) for name, field in fields(Settings)}


def test_the_example_has_each_required_setting_and_no_unknown_one() -> None:
    known = dict(fields(Settings))
    required = {name for name, field in known.items() if field.is_required()}
    compose = (ROOT / "compose.yaml").read_text()
    names = set(example())
    assert required <= names
    for name in names - known.keys():
        assert f"${{{name}:?" in compose, name
    assert set(re.findall(r"\$\{(\w+):\?", compose)) <= names


def test_the_example_holds_no_secret_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = example()
    for name, field in fields(Settings):
        monkeypatch.delenv(name, raising=False)
        if field.annotation in (SecretStr, SecretStr | None):
            assert not values.get(name), name
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    named = {line.partition(":")[0] for line in str(refused.value).splitlines()}
    empty = {name for name, value in values.items() if not value.strip('"') or '""' in value}
    assert named == empty & dict(fields(Settings)).keys()


def test_each_error_code_has_a_heading_with_its_status() -> None:
    statuses = {error.code: error.status for error in errors_with_a_code()}
    documents = "\n".join(path.read_text() for path in DOCS.glob("problems*.md"))
    headings = re.findall(r"^### (\S+)\n\n(\d{3})\. ", documents, re.MULTILINE)
    assert {code: int(status) for code, status in headings} == statuses
    assert len(headings) == len(statuses)


def test_decisions_are_short_and_listed() -> None:
    index = (DOCS / "adr" / "README.md").read_text()
    assert len({path.name[:4] for path in ADRS}) == len(ADRS), "two have one number"
    assert set(re.findall(r"\((0\d{3}-.*?\.md)\)", index)) == {path.name for path in ADRS}
    for path in ADRS:
        number, text = path.name[:4], path.read_text()
        assert text.startswith(f"# {number}: "), path.name
        assert len(text.splitlines()) <= 40, path.name
        assert f"| [{number}]({path.name}) |" in index
        for part in ("## Context", "## Decision", "## Consequences"):
            assert part in text, path.name


def test_decisions_that_code_names_exist() -> None:
    numbers = {path.name[:4] for path in (DOCS / "adr").glob("[0-9]*.md")}
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py"), *DOCUMENTS]:
        assert set(re.findall(r"ADR (\d{4})", path.read_text())) <= numbers, path


def test_documents_that_code_names_exist() -> None:
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py")]:
        for name in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text()):
            assert (ROOT / name).exists(), f"{path}: {name}"
