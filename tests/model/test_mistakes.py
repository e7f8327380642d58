"""Wrong models → exact messages: every `tests/bad/model/*.em` beside its `.expected`.

A file is named for the code that it shows. After a deliberate change,
`python -m tests.model.test_mistakes` rewrites the expected texts.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emdsl.diagnostics import CompileError, Diagnostic, render
from emdsl.model.build import build
from emdsl.source import Source
from emdsl.syntax.parse import parse

ROOT = Path(__file__).parents[2]
BAD = ROOT / "tests" / "bad" / "model"
FILES = sorted(BAD.glob("*.em"))


def problems(path: Path) -> tuple[tuple[Diagnostic, ...], Source]:
    """Every problem of a file, warnings where there is no error."""
    source = Source(path.read_text(), path.name)
    try:
        return build(parse(source), source)[1], source
    except CompileError as error:
        return error.diagnostics, source


def said(path: Path) -> str:
    return render(*problems(path)) + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_messages(path: Path) -> None:
    """Each wrong file gets exactly the messages written down beside it."""
    assert said(path) == path.with_suffix(".expected").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shows_its_code(path: Path) -> None:
    assert path.stem in {d.code for d in problems(path)[0]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tone(path: Path) -> None:
    """Messages and hints start small and have no full stop."""
    for problem in problems(path)[0]:
        for text in (problem.message, problem.hint, *(note.text for note in problem.notes)):
            assert not text[:1].isupper()
            assert not text.endswith(".")


def codes() -> list[str]:
    """Every code that `diagnoses.py` can give."""
    text = (ROOT / "emdsl" / "diagnoses.py").read_text()
    return sorted(set(re.findall(r'Diagnostic\(\s*"([a-z-]+)"', text)))


@pytest.mark.parametrize("code", codes())
def test_every_code_is_shown_and_explained(code: str) -> None:
    """Each code has a wrong file and a section of docs/errors.md."""
    assert (BAD / f"{code}.em").exists()
    assert f"\n### {code}\n" in (ROOT / "docs" / "errors.md").read_text()


def write() -> None:
    for path in FILES:
        path.with_suffix(".expected").write_text(said(path))


if __name__ == "__main__":
    write()
