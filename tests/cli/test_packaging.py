"""What pyproject.toml says about the repository is so."""

from __future__ import annotations

import tomllib
from pathlib import Path

import emdsl

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_in_the_wheel() -> None:
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "emdsl").rglob("__init__.py")
    }
    mapped = set(PROJECT["tool"]["setuptools"]["package-dir"]) - {"emdsl"}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found | mapped


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "emdsl").rglob("*.py")}
    assert [f for f in folders if not (f / "__init__.py").is_file()] == []


def test_every_lint_exception_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    lint = text[text.index("ignore = [") : text.index("[tool.ruff.lint.mccabe]")]
    lines = [line for line in lint.splitlines() if line.strip().startswith('"')]
    assert lines
    assert [line for line in lines if "  # " not in line and " # " not in line] == []


def test_the_version_is_in_the_changes() -> None:
    assert f"## {emdsl.__version__}" in (ROOT / "CHANGELOG.md").read_text()
