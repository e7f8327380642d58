"""Every gallery file is built without a warning, is formatted, and says where it is from."""

from __future__ import annotations

import re
from pathlib import Path

from emdsl.model.build import build
from emdsl.syntax.format import format_source
from emdsl.syntax.parse import parse
from tests.gallery.models import FILES, ROOT, command, each_model, source


@each_model
def test_is_built_without_warnings(path: Path) -> None:
    text = source(path)
    model, warnings = build(parse(text), text)
    assert warnings == ()
    assert model.params
    assert any(v.role == "data" for v in model.variables)


@each_model
def test_is_stored_formatted(path: Path) -> None:
    text = source(path)
    assert format_source(text) == text.text
    assert max(map(len, text.text.splitlines())) <= 100


@each_model
def test_names_its_source(path: Path) -> None:
    text = source(path)
    model, _ = build(parse(text), text)
    assert re.search(r"\b1[789]\d\d\b|\b20[012]\d\b", model.doc), "no year in the docstring"


@each_model
def test_says_how_to_run_it(path: Path) -> None:
    assert re.match(rf"emdsl (fit|check) models/{path.name}\b", command(path))


def test_the_documentation_has_every_model_with_its_command() -> None:
    rows = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8").splitlines()
    for path in FILES:
        row = next((r for r in rows if r.startswith(f"| [{path.stem}](")), "")
        assert row.endswith(f"| `{command(path)}` |"), path.stem


def test_every_table_is_named_with_its_source() -> None:
    folder = ROOT / "models" / "data"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| (\S+\.csv) \|", readme, flags=re.MULTILINE))
    assert described == {path.name for path in folder.glob("*.csv")}
