"""What no strategy fits yet is refused by the strategies themselves, each with its reason."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import emdsl
from emdsl.cli import main
from emdsl.diagnostics import CompileError
from emdsl.model.build import build
from emdsl.syntax.parse import parse
from tests.gallery.models import REFUSED, ROOT, command, each_refused, source


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


@each_refused
def test_the_command_says_so(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(shlex.split(command(path))[1:]) == 1
    assert f"models/{path.name}:" in capsys.readouterr().err


def test_switching_dynamics_have_a_component_for_every_path() -> None:
    """What is tied is named, and why no finite sum of normals is exact."""
    path = ROOT / "models" / "switching_dynamical_system.em"
    with pytest.raises(CompileError) as refusal:
        emdsl.compile_source(source(path))
    shown = str(refusal.value)
    assert "no exact E-step for `s` and `z`" in shown
    assert "`z` is seen by rows with different elements of the discrete `s`" in shown
    assert "a mixture over all of their configurations, whose number grows as a power of T" in shown
    assert "without `s` the elements of `z` can be integrated out together" in shown


def test_some_are() -> None:
    assert {path.stem for path in REFUSED} >= {"switching_dynamical_system", "rasch", "lda"}
