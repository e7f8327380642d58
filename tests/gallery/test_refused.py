"""What no strategy fits yet is refused by the strategies themselves, each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

import emdsl
from emdsl.diagnostics import CompileError
from emdsl.model.build import build
from emdsl.syntax.parse import parse
from tests.gallery.models import REFUSED, each_refused, source


@each_refused
def test_is_refused_at_its_latents(path: Path) -> None:
    text = source(path)
    model, _ = build(parse(text), text)
    latents = [v.name for v in model.variables if v.role == "latent"]
    with pytest.raises(CompileError) as refusal:
        emdsl.compile_source(text)
    shown = str(refusal.value)
    assert any(f"`{name}`" in shown for name in latents)
    for diagnostic in refusal.value.diagnostics:
        assert diagnostic.span is not None
        assert diagnostic.notes or diagnostic.hint


def test_some_are() -> None:
    assert {path.stem for path in REFUSED} >= {"hmm", "factor_analysis", "lda"}
