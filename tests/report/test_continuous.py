"""What `emdsl explain` says of continuous latents; its formulas against integration."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
from scipy import special
from scipy.integrate import dblquad, quad

from emdsl.compiler import compile_source
from emdsl.derive.joint import Joint
from emdsl.report.explain import explain
from emdsl.report.partition import family
from emdsl.report.printer import Printer
from emdsl.report.style import TextStyle
from emdsl.source import Source
from tests.report.regenerate import ROOT, excerpt

Function = Callable[[float], float]


def of(text: str) -> str:
    return explain(compile_source(Source(text))).replace("\n", " ")


@pytest.fixture(scope="module")
def joint() -> Joint:
    text = (ROOT / "models" / "coin.em").read_text(encoding="utf-8")
    return compile_source(Source(text)).derivation.joint


# --- log partition functions -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "power", "values", "functions", "upper"),
    [
        ("gamma", 1, (2.5, 1.7), (math.log, lambda u: u), math.inf),
        ("gamma", 2, (2.5, 1.7), (math.log, lambda u: u**2), math.inf),
        ("inverse_gamma", 1, (2.5, 1.7), (math.log, lambda u: 1 / u), math.inf),
        ("inverse_gamma", 2, (2.5, 1.7), (math.log, lambda u: u**-2), math.inf),
        ("beta", 1, (2.5, 1.7), (math.log, lambda u: math.log1p(-u)), 1.0),
        ("positive_normal", 1, (-0.8, 1.7), (lambda u: u, lambda u: u * u), math.inf),
    ],
)
def test_partition_and_means_are_the_integrals(
    joint: Joint,
    name: str,
    power: int,
    values: tuple[float, ...],
    functions: tuple[Function, ...],
    upper: float,
) -> None:
    """The formulas that are shown, evaluated, against quadrature of what they stand for."""
    kind = family(name, sp.Integer(power))
    p = Printer(TextStyle(), joint)
    symbols = tuple(sp.Symbol(f"s{i}", positive=True) for i in range(len(values)))
    coefficients = [
        float(value / q.number - q.first) for value, q in zip(values, kind.parameters, strict=True)
    ]

    def weight(u: float) -> float:
        return math.exp(sum(c * f(u) for c, f in zip(coefficients, functions, strict=True)))

    def value(expr: sp.Expr) -> float:
        standard = values[0] / math.sqrt(values[1])
        known = {
            sp.Symbol("below", positive=True): math.erfc(-standard / math.sqrt(2)) / 2,
            sp.Symbol("density", positive=True): math.exp(-(standard**2) / 2)
            / math.sqrt(2 * math.pi),
        }
        return float(expr.subs(known).subs(dict(zip(symbols, values, strict=True))))

    total = quad(weight, 0, upper)[0]
    assert value(kind.partition(p, symbols)) == pytest.approx(math.log(total), rel=1e-7)
    for number, mean in kind.means(p, symbols).items():
        wanted = quad(lambda u, f=functions[number]: f(u) * weight(u), 0, upper)[0] / total
        assert value(mean) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("values", [(-0.7, 1.3, 0.6), (2.2, 0.4, 3.1)])
def test_generalised_inverse_gaussian(
    joint: Joint, power: int, values: tuple[float, float, float]
) -> None:
    """Of u^p: its Bessel functions, and their slope in the order, stand for what is printed."""
    kind = family("generalised_inverse_gaussian", sp.Integer(power))
    p = Printer(TextStyle(), joint)
    symbols = tuple(sp.Symbol(f"s{i}", positive=True) for i in range(3))
    _, up, down = symbols
    v, a, b = values
    argument = 2 * math.sqrt(a * b)
    insides = {up * down: a * b, down / up: b / a, up / down: a / b}
    known: dict[sp.Basic, float] = dict(zip(symbols, values, strict=True))
    for inside, number in insides.items():
        known[sp.Symbol(f"root {p.show(inside)}", positive=True)] = math.sqrt(number)
    for shift in (-1, 0, 1):
        known[sp.Symbol(f"K {shift}", positive=True)] = float(special.kv(v + shift, argument))
    step = 1e-5
    known[sp.Symbol("slope")] = float(
        np.diff(np.log(special.kv([v - step, v + step], argument)))[0] / (2 * step)
    )
    functions: tuple[Function, ...] = (math.log, lambda u: u**power, lambda u: u**-power)
    coefficients = [
        float(value / q.number - q.first) for value, q in zip(values, kind.parameters, strict=True)
    ]

    def weight(u: float) -> float:
        return math.exp(sum(c * f(u) for c, f in zip(coefficients, functions, strict=True)))

    total = quad(weight, 0, math.inf)[0]
    assert float(kind.partition(p, symbols).subs(known)) == pytest.approx(math.log(total), rel=1e-7)
    means = kind.means(p, symbols)
    assert set(means) == {0, 1, 2}
    for number, mean in means.items():
        wanted = quad(lambda u, f=functions[number]: f(u) * weight(u), 0, math.inf)[0] / total
        assert float(mean.subs(known)) == pytest.approx(wanted, rel=1e-6)


def test_dirichlet(joint: Joint) -> None:
    """The sum over entries of what is shown, with the rest of their total, over the triangle."""
    kind = family("dirichlet", sp.Integer(1))
    p = Printer(TextStyle(), joint)
    shape, total = sp.symbols("shape total", positive=True)
    alpha = (1.6, 2.3, 3.4)

    def weight(y: float, x: float) -> float:
        return float(np.prod(np.power((x, y, max(1.0 - x - y, 0.0)), np.subtract(alpha, 1.0))))

    def over(f: Callable[[float, float], float]) -> float:
        return float(dblquad(f, 0, 1, 0, lambda x: 1 - x, epsabs=1e-11, epsrel=1e-9)[0])

    assert kind.rest is not None
    shown = [float(kind.partition(p, (shape,)).subs(shape, a)) for a in alpha]
    rest = float(kind.rest(total).subs(total, sum(alpha)))
    whole = over(weight)
    assert sum(shown) + rest == pytest.approx(math.log(whole), rel=1e-7)
    mean = kind.means(p, (shape, total))[0].subs({shape: alpha[0], total: sum(alpha)})
    wanted = over(lambda y, x: math.log(x) * weight(y, x) if x > 0 else 0.0) / whole
    assert float(mean) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(("low", "high"), [(-0.4, 1.3), (0.2, math.inf), (-math.inf, -0.7)])
def test_partition_and_means_of_what_is_cut_off(joint: Joint, low: float, high: float) -> None:
    """The formulas that are shown, evaluated, against quadrature between the ends."""
    kind = family("cut_normal", sp.Integer(1))
    linear, precision = -0.8, 1.7
    symbols = tuple(sp.Symbol(f"s{i}", positive=True) for i in range(2))
    p = Printer(TextStyle(), joint)

    def weight(u: float, power: int) -> float:
        return u**power * math.exp(linear * u - precision * u * u / 2)

    total, first, second = (quad(weight, low, high, (k,))[0] for k in range(3))
    known = {sp.Symbol("mean of u"): first / total}
    for name, end in (("low", low), ("high", high)):
        known[sp.Symbol(name, real=True)] = end if math.isfinite(end) else 0.0
        z = math.sqrt(precision) * end - linear / math.sqrt(precision)
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        known[sp.Symbol(f"φ {name}", positive=True)] = density
        known[sp.Symbol(f"Φ {name}", positive=True)] = math.erfc(-z / math.sqrt(2)) / 2
    known |= dict(zip(symbols, (linear, precision), strict=True))

    partition = kind.partition(p, symbols)
    assert float(partition.subs(known)) == pytest.approx(math.log(total), rel=1e-9)
    means = kind.means(p, symbols)
    assert float(means[0].subs(known)) == pytest.approx(first / total, rel=1e-9)
    assert float(means[1].subs(known)) == pytest.approx(second / total, rel=1e-9)


# --- sentences ---------------------------------------------------------------------------------


def test_rows_that_point_are_added_up_once() -> None:
    text = excerpt("random_intercept", latex=False).replace("\n", " ")
    assert "added up at g = group_n once, before the first iteration" in text
    assert "Λ_g = 1 / tau² + Σ_{n: group_n = g} [y_n seen] / sigma²" in text


def test_a_message_is_a_factor_of_the_finite_sum() -> None:
    text = excerpt("mixture_of_factor_analysers", latex=False)
    assert "m₁(z_n) = ½ L log(2 π) − ½ log det Λ + ½ bᵀ Λ⁻¹ b" in text
    assert "+ m₁(z_n))" in text
    assert "given z_n with P(z_n | data)" in text


def test_chains_and_crossed_effects_say_how_they_are_eliminated() -> None:
    chain = excerpt("linear_dynamical_system", latex=False).replace("\n", " ")
    assert "Kalman 1960" in chain
    assert "Λ(z_t, z_{t−1})[l,m] = −[t ≠ 0] Σ_n A[n,m] Q⁻¹[l,n]" in chain
    crossed = excerpt("crossed_effects", latex=False).replace("\n", " ")
    assert "ties a_{person_r} and b_{item_r}" in crossed
    assert "Kalman" not in crossed


def test_two_latents_are_blocks_of_one_precision() -> None:
    text = of(
        "model M(L = 2)\n\nparam A : real[D, L]\nparam c : real[D]\nparam s : positive[D]\n\n"
        "for n in N:\n"
        "    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])\n"
        "    latent g[n] ~ Normal(0, 1)\n"
        "    data x[n] : real[D] ~ MvNormal(A @ f[n] + g[n] * c, diag(s))\n"
    )
    assert "Λ(f_n, g_n)[l] = Σ_d [x[n,d] seen] A[d,l] c[d] / s[d]" in text
    assert "½ (L + 1) log(2 π)" in text


def test_scale_mixtures_have_bessel_functions() -> None:
    text = of(
        "model M\n\nparam mu, a : real\nparam s2, nu : positive\n\nfor n in N:\n"
        "    latent u[n] ~ InverseGamma(nu, nu)\n"
        "    data x[n] ~ Normal(mu + a * u[n], var = s2 * u[n])\n"
    )
    assert "generalised inverse Gaussian" in text
    assert "K_{r_n}(2 √(α_n β_n))" in text


def test_letters_avoid_the_names_of_the_model() -> None:
    text = of(
        "model M\n\nparam alpha, β : positive\n\nfor n in N:\n"
        "    latent u[n] ~ Gamma(alpha, β)\n    data y[n] : count ~ Poisson(u[n])\n"
    )
    assert "a_n = [y_n seen] y_n + alpha" in text
    assert "b_n = [y_n seen] + β" in text
