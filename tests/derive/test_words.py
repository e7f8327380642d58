"""Expressions as people write them, in messages and in the comments of generated modules."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp

from emdsl.derive.atoms import Centered, Elem, Ind, LogSumExp, SumOf, Value
from emdsl.derive.smooth import AbsPower, BesselRatio, Expit, LogBessel, Softplus
from emdsl.derive.table import Atoms
from emdsl.derive.words import words
from emdsl.model.graph import Size
from tests.gallery.models import compiled

MODELS = Path(__file__).resolve().parents[2] / "models"
x, y = sp.symbols("x y", positive=True)


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (sp.loggamma(x), "lgamma(x)"),
        (sp.polygamma(0, x / 2), "digamma(x/2)"),
        (sp.polygamma(1, x), "trigamma(x)"),
        (sp.polygamma(2, x), "polygamma(2, x)"),
        (2 * Softplus(x) ** 2, "2*log(1 + exp(x))^2"),
        (Expit(-x), "expit(-x)"),
        (LogBessel(x), "log I0(x)"),
        (y * BesselRatio(x), "y*(I1(x)/I0(x))"),
        (sp.besseli(0, x), "I0(x)"),
        (sp.Abs(sp.Symbol("r")) ** x, "abs(r)^x"),
        (AbsPower(sp.Symbol("r"), x, 1, 1), "(log(abs(r))*abs(r)^x*sign(r))"),
        (sp.Ne(x, 0, evaluate=False), "x != 0"),
        (sp.Eq(x, y, evaluate=False), "x = y"),
    ],
)
def test_functions_have_the_names_people_know(expr: sp.Basic, text: str) -> None:
    assert words(expr, Atoms()) == text


def test_sums_tests_and_pivots() -> None:
    atoms = Atoms()
    k = atoms.add_axis("k", "event", Size("K"))
    n = atoms.add_axis("n", "plate", Size("N"))
    eta = atoms.symbol(Elem("data", "eta", (n, k), "real"))
    total = atoms.symbol(LogSumExp((k,), eta))
    assert words(total, atoms) == "log(sum_{k} exp(eta[n, k]))"
    inner = atoms.symbol(
        SumOf((k,), sp.polygamma(0, atoms.symbol(Elem("param", "a", (k,), "positive"))))
    )
    assert words(2 * inner, atoms) == "2*sum_{k} (digamma(a[k]))"
    test = atoms.symbol(Ind(sp.Ne(atoms.symbol(Value(k)), 0)))
    assert words(test, atoms) == "[k != 0]"
    data = atoms.symbol(Centered(Elem("data", "x", (n,), "real"), sp.Integer(0)))
    assert words(data**2, atoms) == "x[n]^2"
    assert words(data**2, atoms, centered=True) == "x_centered[n]^2"


@pytest.mark.parametrize("path", sorted(MODELS.glob("*mixture*.em")), ids=lambda p: p.stem)
def test_comments_of_generated_modules_have_no_names_of_sympy(path: Path) -> None:
    module = compiled(path).module
    comments = "\n".join(line for line in module.splitlines() if line.lstrip().startswith("#"))
    for leak in ("polygamma(0", "polygamma(1", "loggamma", "Softplus", "Expit", "Eq(", "Ne(", "**",
                 "Abs(", "LogBessel", "besseli"):  # fmt: skip
        assert leak not in comments, leak
