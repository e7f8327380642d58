"""`emdsl dump`: every stage of every model, as far as the model gets."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from emdsl import compiler
from emdsl.compiler import STAGES, derived_of, dump_stage
from emdsl.diagnostics import CompileError
from emdsl.report import dump as pages
from emdsl.report.dump import dump
from emdsl.source import Source
from tests.gallery.models import FITTED, each_model
from tests.report.regenerate import ROOT

FIRST = ("tokens", "tree", "model")


def read(path: Path) -> Source:
    return Source(path.read_text(encoding="utf-8"), path.name)


def dumped(source: Source, stages: tuple[str, ...]) -> dict[str, str]:
    """What `dump` says of stages one after the other; what several need is worked out once."""

    @cache
    def derived(source: Source, augment: bool | None = None) -> Any:
        return derived_of(source)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "derived_of", lambda source, augment=None: derived(source))
        patch.setattr(pages, "derived_of", derived)
        patch.setattr(pages, "compile_source", cache(compiler.compile_source))
        return {stage: dump(source, stage) for stage in stages}


@each_model
def test_dumps_every_stage(path: Path) -> None:
    """And the same, the module too, each time it is asked for."""
    source = read(path)
    stages = STAGES if path in FITTED else FIRST
    again = dumped(source, stages)
    for stage, text in dumped(source, stages).items():
        assert text.endswith("\n")
        assert text == again[stage]
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
