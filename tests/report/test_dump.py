"""`emdsl dump`: every stage of every model, as far as the model gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from emdsl.compiler import STAGES, dump_stage
from emdsl.diagnostics import CompileError
from emdsl.report.dump import dump
from emdsl.source import Source
from tests.report.regenerate import ROOT
from tests.report.test_explain import COMPILABLE, FILES

FIRST = ("tokens", "tree", "model")


def read(path: Path) -> Source:
    return Source(path.read_text(encoding="utf-8"), path.name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dumps_every_stage(path: Path) -> None:
    source = read(path)
    for stage in STAGES if path in COMPILABLE else FIRST:
        text = dump(source, stage)
        assert text.endswith("\n")
        assert text == dump(source, stage)
        assert not any(line != line.rstrip() for line in text.splitlines() if stage != "module")
        if stage != "module":
            for leak in ("frozenset", "Span(", "Symbol("):
                assert leak not in text


@pytest.mark.parametrize(
    ("stage", "text", "code"),
    [
        ("tokens", "model M\n\nparam p : simplex[3\n", None),
        ("tree", "model M\n\nparam : unit\n", None),
        ("model", "model M\n\nparam p : unit\nfor n in N:\n    data x[n] ~ Nope(p)\n", None),
        ("plan", (ROOT / "models" / "rasch.em").read_text(encoding="utf-8"), "no-strategy"),
        ("module", (ROOT / "models" / "rasch.em").read_text(encoding="utf-8"), None),
    ],
)
def test_raises_as_the_stage_does(stage: str, text: str, code: str | None) -> None:
    with pytest.raises(CompileError) as raised:
        dump_stage(Source(text), stage)
    codes = {d.code for d in raised.value.diagnostics}
    assert codes
    assert code is None or code in codes


def test_a_stage_stops_before_what_comes_after() -> None:
    """A model that no strategy takes has a tree and a graph all the same."""
    source = read(ROOT / "models" / "rasch.em")
    assert dump(source, "model").startswith("model ")


def test_no_such_stage() -> None:
    with pytest.raises(ValueError, match="stages: tokens, tree"):
        dump(Source("model M\n"), "nonsense")


def test_says_what_it_is() -> None:
    source = read(ROOT / "models" / "linkage.em")
    assert "update t[] by scalar" in dump(source, "derivation")
    assert "cluster 0: sum out z" in dump(source, "plan")
    assert "6:7      NAME       't'" in dump(source, "tokens")
