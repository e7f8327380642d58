"""Names for what comes back in numeric blocks: the short formulas say the same as the long ones."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import sympy as sp

from emdsl.compiler import Compiled, compile_source
from emdsl.derive.atoms import Elem, Ind, LogSumExp, SumOf, Value, Weight
from emdsl.derive.mstep.record import LETTERS
from emdsl.derive.mstep.share import Numeric, RowPart, Share
from emdsl.derive.mstep.shorten import Shortened, shortened
from emdsl.derive.smooth import AbsPower, BesselRatio, BesselSlope, Expit, LogBessel, Softplus
from emdsl.derive.table import Atoms
from emdsl.families.vocabulary import DigammaRise, LogRising, TrigammaRise
from emdsl.source import Source

MODELS = Path(__file__).resolve().parents[2] / "models"
SIZE = 2  # of every axis


def compiled(name: str) -> Compiled:
    """A model derived as it is written: with latents added, t_mixture has closed updates only."""
    path = MODELS / f"{name}.em"
    return compile_source(Source(path.read_text(encoding="utf-8"), path.name), augment=False)


class Numbers:
    """Evaluates expressions at made-up numbers, every axis of `SIZE` places."""

    def __init__(self, atoms: Atoms, short: Shortened) -> None:
        self.atoms = atoms
        self.named = {str(s.symbol).partition("[")[0]: s for s in short.shorts}

    def entry(self, key: str) -> float:
        return Random(key).uniform(0.3, 0.9)

    def value(self, expr: sp.Basic, at: dict[str, int]) -> sp.Expr:
        new = {s: self.symbol(s, at) for s in expr.free_symbols}
        expr = expr.xreplace(new)
        for kind, plain in PLAIN.items():
            expr = expr.replace(kind, plain)
        return sp.N(expr)

    def symbol(self, symbol: sp.Symbol, at: dict[str, int]) -> sp.Expr:
        atom = self.atoms.atom(symbol)
        match atom:
            case Elem(name=name, idx=idx) if name in self.named:
                short = self.named[name]
                places = dict(
                    zip((short.plate, *short.axes), [at[str(i)] for i in idx], strict=True)
                )
                return self.value(short.value, places)
            case SumOf(axes=axes, body=body):
                return self.total(body, axes, at)
            case LogSumExp(axes=axes, body=body):
                return sp.log(self.total(sp.exp(body), axes, at))
            case Ind(condition=c):
                held = c.xreplace({s: self.symbol(s, at) for s in c.free_symbols})
                return sp.Integer(int(bool(held)))
            case Value(axis=axis):
                return sp.Integer(at[axis])
            case Elem(idx=idx) | Weight(idx=idx):
                placed = [at[i] if isinstance(i, str) else i for i in idx]
                return sp.Float(
                    self.entry(f"{type(atom).__name__} {getattr(atom, 'name', '')} {placed}")
                )
            case _:
                places = sorted((a, at[a]) for a in self.atoms.axes_of_atom(atom))
                return sp.Float(self.entry(f"{self.atoms.text(atom)} {places}"))

    def total(self, body: sp.Expr, axes: tuple[str, ...], at: dict[str, int]) -> sp.Expr:
        if not axes:
            return self.value(body, at)
        first, *rest = axes
        return sp.Add(*(self.total(body, tuple(rest), {**at, first: i}) for i in range(SIZE)))

    def rows(self, part: RowPart, at: dict[str, int]) -> sp.Expr:
        return self.total(part.expr, (part.plate, *sorted(part.axes)), at)

    def share(self, share: Share, at: dict[str, int]) -> float:
        whole = self.value(share.static, at) + sum(self.rows(p, at) for p in share.rows)
        return float(whole)


PLAIN = {
    Softplus: lambda a: sp.log(1 + sp.exp(a)),
    LogRising: lambda x, d: sp.loggamma(x + d) - sp.loggamma(x),
    DigammaRise: lambda x, d: sp.polygamma(0, x + d) - sp.polygamma(0, x),
    TrigammaRise: lambda x, d: sp.polygamma(1, x + d) - sp.polygamma(1, x),
    Expit: lambda a: 1 / (1 + sp.exp(-a)),
    LogBessel: lambda a: sp.log(sp.besseli(0, a)),
    BesselRatio: lambda a: sp.besseli(1, a) / sp.besseli(0, a),
    BesselSlope: lambda a: 1 - _ratio(a) / a - _ratio(a) ** 2,
    AbsPower: lambda *a: AbsPower(*a).written(),
}


def _ratio(a: sp.Expr) -> sp.Expr:
    return sp.besseli(1, a) / sp.besseli(0, a)


CASES = (
    *("mixture_of_experts", "input_output_hmm", "hierarchical_experts", "t_mixture"),
    *("weibull_mixture", "zero_inflated_negative_binomial", "goel_okumoto", "meta_analysis"),
    *("von_mises_mixture", "gamma_mixture", "logistic_regression", "generalised_normal_mixture"),
)


@pytest.mark.parametrize("name", CASES)
def test_short_formulas_say_the_same(name: str) -> None:
    found = compiled(name)
    atoms = found.derivation.joint.atoms
    forms = [u.form for u in found.derivation.m_step.updates if isinstance(u.form, Numeric)]
    assert forms
    for form in forms:
        short = shortened(form, LETTERS, atoms)
        numbers = Numbers(atoms, short)
        axes = (*form.batch, *(a for c in (*form.cells, *form.twins) for a in c))
        at = {a: i % SIZE for i, a in enumerate(dict.fromkeys(axes))}
        count = len(form.params)
        pairs = [(form.value, short.value), *zip(form.gradient, short.gradient, strict=True)]
        pairs += [
            (form.hessian[i][j], short.hessian[i][j - i])
            for i in range(count)
            for j in range(i, count)
        ]
        for plain, neat in pairs:
            assert numbers.share(neat, at) == pytest.approx(numbers.share(plain, at), rel=1e-9)


def test_names_are_given_to_what_comes_back() -> None:
    found = compiled("mixture_of_experts")
    (gate, *_) = found.derivation.m_step.updates
    lines = list(gate.record)
    assert "eta[n, k] = sum_{p} (gate[k, p]*u[n, p])" in lines
    assert "rho[n, k] = exp(eta[n, k])/sum_{k'} (exp(eta[n, k']))" in lines
    assert "dQ/dgate[k, p] = z_u[k, p] - sum_{n} rho[n, k]*u[n, p]*w[n]" in lines


def test_names_avoid_those_of_the_model() -> None:
    text = (
        "model M\nparam eta : real[P]\nparam zeta : real\nfor n in N:\n    input u[n] : real[P]\n"
        "    data y[n] : bool ~ Bernoulli(logit = dot(eta, u[n]) + zeta)\n"
    )
    (update,) = compile_source(Source(text)).derivation.m_step.updates
    assert any(line.startswith("xi[n] = ") for line in update.record)
    assert not any(line.startswith(("eta", "zeta")) for line in update.record)


def test_each_second_derivative_is_listed_once() -> None:
    (update,) = (u for u in compiled("t_mixture").derivation.m_step.updates if u.rule == "numeric")
    left = [line.partition(" = ")[0] for line in update.record if line.startswith("d2Q/")]
    count = 1 + len(update.also)
    assert len(left) == len(set(left)) == count * (count + 1) // 2
