"""Wrong files raise `CompileError` and nothing else, whatever is wrong with them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emdsl.diagnostics import CompileError, render
from emdsl.model.build import build
from emdsl.model.show import show
from emdsl.source import Source
from emdsl.syntax.parse import parse

MODELS = Path(__file__).parents[2] / "models"
TEXTS = [path.read_text() for path in sorted(MODELS.glob("*.em"))]
TOKEN = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?|\n[ ]*|[ ]+|\S")
WORDS = sorted(
    {word for text in TEXTS for word in TOKEN.findall(text) if not word.isspace()}
    | {"index", "int", "Censored", "Truncated", "case", "let", "const", "t", "t-1", "-1", "1e999"}
    | {"99999999999999999999", "eye", "sum", "softmax", "Delta", "MvNormal", "not", "^", "@", "if"}
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A model of the gallery with a few of its words replaced, dropped, doubled or swapped."""
    tokens = TOKEN.findall(draw(st.sampled_from(TEXTS)))
    words = [i for i, token in enumerate(tokens) if not token.isspace()]
    names = [tokens[i] for i in words if tokens[i].isidentifier()]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.sampled_from(words))
        match draw(st.integers(0, 5)):
            case 0:
                tokens[at] = ""
            case 1:
                tokens[at] = f"{tokens[at]} {tokens[at]}"
            case 2:
                other = draw(st.sampled_from(words))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = draw(st.sampled_from(WORDS))
            case _ if tokens[at].isidentifier():
                tokens[at] = draw(st.sampled_from(names))
            case _:
                tokens[at] = draw(st.sampled_from(["0", "1", "3", "0.5", "K", "n", "z", "D"]))
    return "".join(tokens)


@pytest.mark.parametrize("text", TEXTS)
def test_each_line_removed(text: str) -> None:
    """A file that lacks any one of its lines is a model or is refused."""
    lines = text.splitlines(keepends=True)
    for i in range(len(lines)):
        _build_or_refuse("".join(lines[:i] + lines[i + 1 :]))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_models(text: str) -> None:
    _build_or_refuse(text)


def _build_or_refuse(text: str) -> None:
    source = Source(text)
    refused: CompileError | None = None
    try:
        model, warnings = build(parse(source), source)
    except CompileError as error:
        refused = error
    if refused is not None:
        assert refused.diagnostics
        assert str(refused)
    else:
        assert show(model)
        assert render(warnings, source) or not warnings
