"""A run that touches the service's files says so."""

from pathlib import Path

from tests.unchanged import differences, snapshot


def test_each_file_that_is_new_gone_or_changed_is_named(tmp_path: Path) -> None:
    for name in ("README.md", "src/kept.py", "src/gone.py", "docs/changed.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    before = snapshot(tmp_path)
    assert differences(before, snapshot(tmp_path)) == []

    (tmp_path / "src" / "gone.py").unlink()
    (tmp_path / "src" / "new.py").write_text("")
    (tmp_path / "docs" / "changed.txt").write_text("otherwise")
    (tmp_path / "src" / "__pycache__").mkdir()
    (tmp_path / "src" / "__pycache__" / "kept.pyc").write_text("")
    (tmp_path / "src" / ".kept.py.swp").write_text("")

    assert differences(before, snapshot(tmp_path)) == [
        "changed: docs/changed.txt",
        "gone: src/gone.py",
        "new: src/new.py",
    ]
