"""Wrong files → exact messages: every `tests/bad/syntax/*.em` beside its `.expected`.

After a deliberate change, `python -m tests.syntax.test_mistakes` rewrites the expected texts.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emdsl.diagnostics import CompileError, Diagnostic, render
from emdsl.source import Source
from emdsl.syntax.examples import EXAMPLES
from emdsl.syntax.mistakes import _table
from emdsl.syntax.parse import MOST_PROBLEMS, parse, read_source
from tests.syntax.gallery import GALLERY

BAD = Path(__file__).parents[1] / "bad" / "syntax"
FILES = sorted(BAD.glob("*.em"))


def problems(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(CompileError) as caught:
        parse(Source(text))
    return caught.value.diagnostics


def said(path: Path) -> str:
    with pytest.raises(CompileError) as caught:
        parse(read_source(path.read_bytes(), path.name))
    return render(caught.value.diagnostics, caught.value.source) + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_messages(path: Path) -> None:
    """Each wrong file gets exactly the messages written down beside it."""
    assert said(path) == path.with_suffix(".expected").read_bytes().decode()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tone(path: Path) -> None:
    """Messages and hints start small and have no full stop; codes are kebab-case."""
    with pytest.raises(CompileError) as caught:
        parse(read_source(path.read_bytes(), path.name))
    for problem in caught.value.diagnostics:
        for text in (problem.message, problem.hint, *(note.text for note in problem.notes)):
            assert not text[:1].isupper() or text.startswith("U+")
            assert not text.endswith(".")
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", problem.code)


def test_every_example_is_a_mistake() -> None:
    """Each line of the table of examples stops the parser, and no entry hides all of another."""
    told = set(_table().values())
    assert [example.lines for example in EXAMPLES if example not in told] == []


@pytest.mark.parametrize("name", GALLERY)
def test_one_bad_line(name: str) -> None:
    """A bad line put after any line of a good file is the only thing reported."""
    lines = GALLERY[name].split("\n")[:-1]
    for position in range(1, len(lines) + 1):
        above = lines[position - 1]
        if not re.match(r" *(param|latent|data|input|infer|let)\b", above) or "case" in above:
            continue
        if above.count("(") != above.count(")"):
            continue
        indent = re.match(" *", above)
        assert indent is not None
        wrong = [*lines[:position], indent[0] + "param = 3", *lines[position:]]
        found = problems("\n".join(wrong) + "\n")
        assert [(problem.span.line, problem.code) for problem in found] == [
            (position + 1, "syntax")
        ]


def test_every_line_is_heard() -> None:
    """Errors are reported on every bad line, up to a bound."""
    text = "model M\n" + "".join(f"parma x{i} : real\n" for i in range(200))
    assert [p.span.line for p in problems(text)] == list(range(2, MOST_PROBLEMS + 2))


def test_not_utf8() -> None:
    """The place of the first byte that is not UTF-8 is named."""
    with pytest.raises(CompileError) as caught:
        read_source(b"model M\nparam caf\xe9 : real\n", "latin.em")
    (problem,) = caught.value.diagnostics
    assert (problem.span.line, problem.span.column, problem.code) == (2, 10, "not-utf8")


if __name__ == "__main__":
    for wrong in FILES:
        wrong.with_suffix(".expected").write_bytes(said(wrong).encode())
