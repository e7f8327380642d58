"""Whatever the text, the parser answers with a tree or a `CompileError`, and soon."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdsl.diagnostics import CompileError, Diagnostic, render
from emdsl.source import Source
from emdsl.syntax.format import format_source
from emdsl.syntax.parse import parse, read_source
from tests.syntax.texts import damaged, garbage


def problems(source: Source) -> tuple[Diagnostic, ...]:
    """What is wrong with a text, if anything; formatting parses first."""
    try:
        format_source(source)
    except CompileError as error:
        return error.diagnostics or pytest.fail("an error without a diagnostic")
    return ()


def verify_answer(text: str) -> None:
    source = Source(text)
    found = problems(source)
    render(found, source)
    height = text.count("\n") + 1
    assert all(1 <= d.span.line <= height and d.span.column >= 1 for d in found)


@settings(deadline=None, max_examples=400)
@given(text=damaged())
def test_damaged(text: str) -> None:
    """A gallery file with tokens lost, doubled, swapped or replaced."""
    verify_answer(text)


@settings(deadline=None, max_examples=300)
@given(text=garbage())
def test_garbage(text: str) -> None:
    verify_answer(text)
    verify_answer(f"model M\n{text}")
    verify_answer(f"model M\nfor n in N:\n    {text}")


@settings(deadline=None)
@given(data=st.binary())
def test_bytes(data: bytes) -> None:
    try:
        source = read_source(data)
    except CompileError as error:
        source = error.source
    problems(source)


H = "model M\n"
LARGE = {
    "chain of sums": (H + "let a = " + "+".join("1" * 49_000), "too-deep"),
    "chain of powers": (H + "let a = " + "^".join("1" * 49_000), "too-deep"),
    "signs": (H + "let a = " + "-" * 90_000 + "1", "too-deep"),
    "conditionals": (H + "let a = " + "a if b else " * 8_000 + "1", "too-deep"),
    "indices": (H + "let a = b" + "[1]" * 30_000, "too-deep"),
    "open brackets": (H + "let a = " + "(" * 50_000, "too-deep"),
    "plates": (H + "".join("    " * i + "for n in N:\n" for i in range(150)), "too-deep"),
    "cases": (H + "latent z ~ case k:\n"
              + "".join("    " * i + "else: case k:\n" for i in range(1, 150)), "too-deep"),
    "bad lines": (H + "parma a : real\n" * 19_000, "unknown-statement"),
    "bad plates": (H + "for n in N\n    x\n" * 9_000, "missing-colon"),
    "models": (H * 30_000, "second-model"),
    "signs of nothing": (H + "$" * 90_000, "stray-character"),
    "quotes": (H + '"' * 90_000, "syntax"),
    "characters": ("x" * 1_000_001, "file-too-large"),
    "tokens": ("x " * 49_000 + "\n" + "x " * 49_000 + "\n" + "x " * 49_000, "file-too-large"),
    "a line": (H + "#" * 100_001, "line-too-long"),
    "a number": (H + "let a = " + "9" * 90_000, "bad-number"),
    "a name": (H + "let " + "x" * 90_000 + " = 3", "bad-name"),
}  # fmt: skip  # a table


@pytest.mark.parametrize("what", LARGE)
def test_large(what: str) -> None:
    """Bounds on size and depth have their own message, and no size makes the parser hang."""
    text, code = LARGE[what]
    with pytest.raises(CompileError) as caught:
        parse(Source(text))  # a second each; a hang is CI's to end
    assert code in {problem.code for problem in caught.value.diagnostics}


def test_long_files_are_read() -> None:
    """Length by itself is no mistake."""
    assert len(parse(Source(H + "param a : real\n" * 15_000)).items) == 15_000
    assert format_source(Source(H + "param a : real\n# c\n" * 9_000)).count("#") == 9_000
    assert format_source(Source(H + "const a = [" + ",\n".join("1" * 33_000) + "]")).count("1")
