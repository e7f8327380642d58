"""Continuous latents that no strategy takes → exact messages: `tests/bad/latents/*.em`.

After a deliberate change, `python -m tests.inference.test_refused_latents` rewrites the texts.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emdsl.compiler import compile_source
from emdsl.diagnostics import CompileError, Diagnostic, render
from emdsl.source import Source

FILES = sorted((Path(__file__).parents[1] / "bad" / "latents").glob("*.em"))


def problems(path: Path) -> tuple[tuple[Diagnostic, ...], Source]:
    source = Source(path.read_text(), path.name)
    with pytest.raises(CompileError) as raised:
        compile_source(source)
    return raised.value.diagnostics, source


def said(path: Path) -> str:
    return render(*problems(path)) + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_messages(path: Path) -> None:
    assert said(path) == path.with_suffix(".expected").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_says_what_people_can_read(path: Path) -> None:
    """One problem, with a reason and a way out, and nothing of what it is made of inside."""
    (problem,) = problems(path)[0]
    assert problem.code == "no-strategy"
    assert problem.hint
    assert len(problem.notes) > 0
    for text in (problem.message, problem.hint, *(note.text for note in problem.notes)):
        assert not re.search(r"\*\*|Abs\(|seen\(|_\d|~|None|\bAnd\(", text)
        assert not text.endswith(".")


def write() -> None:
    for path in FILES:
        path.with_suffix(".expected").write_text(said(path))


if __name__ == "__main__":
    write()
