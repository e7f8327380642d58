"""Whether a user's density is one: right ones pass, wrong ones are refused with exact messages."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from emdsl.compiler import compile_source
from emdsl.derive import normalisation
from emdsl.derive.improper import LIKELIHOOD
from emdsl.derive.normalisation import check_densities
from emdsl.diagnostics import CompileError, Severity, render
from emdsl.model.build import build
from emdsl.source import Source
from emdsl.syntax.parse import parse

REST = "model M\nparam a : real\nfor n in N:\n    data x[n] ~ Normal(a, 1)\n"


def said(density: str) -> str:
    """Everything the check says of a density, as a user sees it; nothing where it is fine."""
    source = Source(f"{density}\n{REST}", "m.em")
    model, _ = build(parse(source), source)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return render(check_densities(model), source)
        except CompileError as error:
            return str(error)


FINE = {
    "normal": "density F(x : real; m : real, s : positive) = "
    "exp(-(x - m)^2 / (2 * s^2)) / (s * 2.5066282746)",
    "gamma, its pole at 0": "density F(x : positive; a, b : positive) = "
    "x^(a - 1) * exp(-b * x) * b^a / exp(lgamma(a))",
    "beta, poles at both ends": "density F(x : unit; a, b : positive) = "
    "x^(a - 1) * (1 - x)^(b - 1) * exp(lgamma(a + b) - lgamma(a) - lgamma(b))",
    "pareto, a tail without mean": "density F(x : positive; m, a : positive) = "
    "a * m^a / x^(a + 1) if x >= m else 0",
    "uniform, bounds in order or not": "density F(x : real; a, b : real) = "
    "1 / (b - a) if x >= a and x <= b else 0",
    "cauchy": "density F(x : real; m : real, s : positive) = "
    "1 / (3.14159265 * s * (1 + ((x - m) / s)^2))",
    "levy": "density F(x : positive; c : positive) = "
    "sqrt(c / 6.28318530718) * exp(-c / (2 * x)) / x^1.5",
    "triangle": "density F(x : real; c : real) = 1 - abs(x - c) if abs(x - c) < 1 else 0",
    "narrow": "density F(x : real; m : real) = 500 * exp(-abs(x - m) * 1000)",
    "two modes": "density F(x : real; w : unit, m, q : real) = "
    "(w * exp(-(x - m)^2 / 2) + (1 - w) * exp(-(x - q)^2 / 2)) / 2.50662827463",
    "skew, a logistic": "density F(x : real; l : real) = "
    "2 * exp(-x^2 / 2) / 2.50662827463 * logistic(l * x)",
    "gumbel": "density F(x : real; m : real, s : positive) = "
    "exp(-(x - m) / s - exp(-(x - m) / s)) / s",
    "logistic, both exponentials overflow": "density F(x : real; m : real, s : positive) = "
    "exp((x - m) / s) / (s * (1 + exp((x - m) / s))^2)",
    "negative for some parameters": "density F(x : unit; a : real) = 1 + a * (x - 1 / 2)",
    "angles on one turn": "density F(x : real; r : unit) = (1 - r^2) / (1 + r^2 - 2 * r * cos(x)) "
    "/ 6.28318530718 if abs(x) <= 3.14159265359 else 0",
    "no parameters": "density F(x : unit) = 2 * x",
    "six digits": "density F(x : real) = 0.398942 * exp(-x^2 / 2)",
    "poisson": "mass F(k : count; a : positive) = exp(-a + k * log(a) - lgamma(k + 1))",
    "binomial, its number an argument": "mass F(k : count; n : count, p : unit) = "
    "exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) * p^k * (1 - p)^(n - k)",
    "zeta, a heavy tail": "mass F(k : count) = (k + 1)^(-2) / 1.6449340668482264",
    "laplace on whole numbers": "mass F(k : int; s : positive) = "
    "exp(-abs(k) / s) * tanh(1 / (2 * s))",
    "bernoulli": "mass F(k : bool; p : unit) = p^k * (1 - p)^(1 - k)",
    "a spread of 1 about a million": "density F(x : real; s : positive) = "
    "exp(-((x - 1000000) / s)^2 / 2) / (2.5066282746310002 * s)",
    "narrow about where the parameter is": "density F(x : real; m : real) = "
    "exp(-((x - m) / 0.0001)^2 / 2) / 0.00025066282746310002",
    "a likelihood": "likelihood F(t : positive; r : positive, died : bool) = r^died * exp(-r * t)",
    "a likelihood of counts": "likelihood F(k : count; r : positive) = exp(-r * k)",
}


@pytest.mark.parametrize("name", FINE)
def test_a_density_passes_at_few_points(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(over: Any) -> Any:
        def summed(function: Any, *where: Any) -> Any:
            def noted(x: Any, *more: Any) -> Any:
                asked.append(np.size(x))
                return function(x, *more)

            return over(noted, *where)

        return summed

    monkeypatch.setattr(normalisation, "integral", counted(normalisation.integral))
    monkeypatch.setattr(normalisation, "total", counted(normalisation.total))
    assert said(FINE[name]) == ""
    assert sum(asked) < 500_000
    assert len(asked) < 300


@pytest.mark.parametrize(
    ("density", "message", "hint"),
    [
        (
            "density F(x : real; m : real, s : positive) = exp(-(x - m)^2 / (2 * s^2))",
            "`F` integrates to 8.34707, not to 1, at m = -0.1, s = 3.33 [not-a-density]",
            "divide it by 2.506628275 * s",
        ),
        (
            "density F(x : unit; a : positive) = x^(a - 1)",
            "`F` integrates to 0.826446, not to 1, at a = 1.21 [not-a-density]",
            "divide it by 1 / a",
        ),
        (
            "density F(x : real) = 0.3989 * exp(-x^2 / 2)",
            "`F` integrates to 0.999894, not to 1 [not-a-density]",
            "divide it by 0.9998940188",
        ),
        (
            "density F(x : positive; a, b : positive) = x^(a - 1) * exp(-b * x) * b^a",
            "`F` integrates to 0.915576, not to 1, at a = 1.21, b = 3.33 [not-a-density]",
            "divide it by what it integrates to",
        ),
        (
            "density F(x : real; a, b : real) = 1 if x >= a and x <= b else 0",
            "`F` integrates to 2.2, not to 1, at a = -0.1, b = 2.1 [not-a-density]",
            "divide it by what it integrates to",
        ),
        (
            "density F(x : real) = 1",
            "`F` is no density: its integral over `x` is infinite [not-a-density]",
            "it has to fall off at the ends of `x : real`: check its sign",
        ),
        (
            "density F(x : positive; s : positive) = exp(x / s) / s",
            "`F` is no density: its integral over `x` is infinite at s = 1.21 [not-a-density]",
            "it has to fall off at the ends of `x : positive`: check its sign",
        ),
        (
            "density F(x : unit; a : positive) = a / x",
            "`F` is no density: its integral over `x` is infinite at a = 1.21 [not-a-density]",
            "it has to fall off at the ends of `x : unit`: check its sign",
        ),
        (
            "density F(x : positive; a : positive) = -x / a^2 * exp(-x / a)",
            "`F` is no density: it is negative at x = 1, a = 1.21 [not-a-density]",
            "check its sign, and for which values its logs and roots exist",
        ),
        (
            "density F(x : real; a : positive) = exp(-a * sqrt(x))",
            "`F` is no density: it is not a number at x = -0.005012, a = 1.21 [not-a-density]",
            "check its sign, and for which values its logs and roots exist",
        ),
        (
            "density F(x : positive; a : positive) = a if x < 0 else 0",
            "`F` is no density: it is zero everywhere at a = 1.21 [not-a-density]",
            "check its sign, and for which values its logs and roots exist",
        ),
        (
            "density F(t : positive; r : positive, died : bool) = r^died * exp(-r * t)",
            "`F` integrates to 0.826446, not to 1, at died = 0, r = 1.21 [not-a-density]",
            f"divide it by 1 / r, or {LIKELIHOOD}",
        ),
        (
            "mass F(k : count; p : unit) = (1 - p)^k",
            "`F` sums to 2.08333, not to 1, at p = 0.48 [not-a-density]",
            "divide it by 1 / p",
        ),
        (
            "mass F(k : count; a : positive) = exp(k * log(a) - lgamma(k + 1))",
            "`F` sums to 3.35348, not to 1, at a = 1.21 [not-a-density]",
            "divide it by what it sums to",
        ),
        (
            "mass F(k : count; p : unit) = p",
            "`F` is no mass: its sum over `k` is infinite at p = 0.48 [not-a-density]",
            "it has to fall off at the ends of `k : count`: check its sign",
        ),
        (
            "mass F(k : int; a : positive) = exp(-k / a)",
            "`F` is no mass: its sum over `k` is infinite at a = 1.21 [not-a-density]",
            "it has to fall off at the ends of `k : int`: check its sign",
        ),
    ],
)
def test_what_is_no_density_is_refused(density: str, message: str, hint: str) -> None:
    shown = f"    1 | {density}\n      | {'^' * len(density)}"
    assert said(density) == f"m.em:1:1: error: {message}\n{shown}\n  help: {hint}"


def test_right_at_some_parameters_only_is_a_warning() -> None:
    density = "density Hat(x : unit; c : real) = 2 * (x / c if x < c else (1 - x) / (1 - c))"
    source = Source(f"{density}\n{REST}", "m.em")
    (found,) = check_densities(build(parse(source), source)[0])
    assert found.severity is Severity.WARNING
    assert found.code == "density-at-times"
    assert found.message.startswith("`Hat` integrates to 1 at c = 0.")


def test_a_tail_too_long_to_be_settled_is_a_warning() -> None:
    density = "density F(x : positive) = 1 / (x + 2.718281828) / log(x + 2.718281828)^2"
    text = said(density)
    assert "warning: the integral of `F` can't be computed well enough" in text
    assert "[density-unsettled]" in text


def test_every_wrong_density_is_named_at_once() -> None:
    text = said("density F(x : real) = exp(-x^2)\nmass G(k : count) = 2^(-k)")
    assert "`F` integrates to 1.77245" in text
    assert "`G` sums to 2, not to 1" in text
    assert text.count("[not-a-density]") == 2


def test_the_compiler_refuses_and_warns() -> None:
    with pytest.raises(CompileError, match="not-a-density"):
        compile_source(Source(f"density F(x : real) = exp(-x^2)\n{REST}", "m.em"))
    text = "density F(x : positive) = 1 / (x + 2.718281828) / log(x + 2.718281828)^2"
    codes = {d.code for d in compile_source(Source(f"{text}\n{REST}", "m.em")).warnings}
    assert "density-unsettled" in codes
