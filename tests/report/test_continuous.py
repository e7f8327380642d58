"""What `emdsl explain` says of continuous latents; its formulas against integration."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import sympy as sp
from scipy.integrate import quad

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
