"""Q is called concave where it is, by the gallery's own shares of Q and by made-up ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp

from emdsl.compiler import compile_source
from emdsl.derive.atoms import Elem
from emdsl.derive.mstep.concave import is_concave
from emdsl.derive.mstep.share import Numeric
from emdsl.derive.smooth import Softplus
from emdsl.derive.table import Atoms
from emdsl.source import Source

MODELS = Path(__file__).resolve().parents[2] / "models"
atoms = Atoms()
a = atoms.symbol(Elem("param", "a", (), "positive"))
b = atoms.symbol(Elem("param", "b", (), "real"))
c = atoms.symbol(Elem("param", "c", (), "real"))
w = atoms.symbol(Elem("data", "w", (), "positive"))
u = atoms.symbol(Elem("data", "u", (), "real"))


@pytest.mark.parametrize(
    ("expr", "concave"),
    [
        (u * b + c, True),
        (-w * Softplus(b * u + c), True),
        (w * Softplus(b * u + c), False),
        (-u * Softplus(b), False),  # of unknown sign
        (-w * sp.exp(b) - (b - c) ** 2, True),
        (w * sp.log(a) - w * sp.loggamma(a), True),
        (w * sp.loggamma(a), False),
        (a * sp.log(a), False),
        (b * c, False),
        (-sp.exp(sp.exp(b)), False),  # concave, but not by these rules
        (-w * sp.exp(c * u), True),
    ],
)
def test_by_composition(expr: sp.Expr, concave: bool) -> None:
    summands = sp.Add.make_args(expr)
    assert is_concave(summands, frozenset("abc"), atoms) == concave


def test_what_isnt_in_the_group_is_a_number() -> None:
    assert is_concave([-sp.exp(c) * sp.exp(b)], frozenset("b"), atoms)
    assert not is_concave([c * sp.exp(b)], frozenset("b"), atoms)  # c may be positive


@pytest.mark.parametrize(
    ("name", "concave"),
    [
        ("logistic_regression", True),
        ("mixture_of_experts", True),
        ("input_output_hmm", True),
        ("poisson_regression", True),
        ("t_mixture", False),  # a likelihood of several peaks
        ("weibull_mixture", False),
    ],
)
def test_the_gallery(name: str, concave: bool) -> None:
    path = MODELS / f"{name}.em"
    # as written: the t of t_mixture rather than a normal with a latent weight, which is closed
    found = compile_source(Source(path.read_text(encoding="utf-8"), path.name), augment=False)
    forms = [u.form for u in found.derivation.m_step.updates]
    assert [f.concave for f in forms if isinstance(f, Numeric)] == [concave]
