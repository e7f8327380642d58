"""Densities written in cases: where a case holds is read off the data, and where none does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from emdsl.compiler import load
from emdsl.diagnostics import CompileError
from emdsl.runtime.errors import DataError
from emdsl.source import Source

RNG = np.random.default_rng(5)


def model(density: str, call: str) -> Source:
    head = f"{density}\nmodel M\nparam s : positive\nfor n in N:\n"
    return Source(f"{head}    data x[n] ~ {call}\n", "m.em")


def test_each_case_has_its_own_terms() -> None:
    x = np.r_[-RNG.exponential(1, 300), RNG.exponential(3, 900)]
    density = (
        "density F(x : real; s : positive) = exp(x) / (1 + s) if x < 0 else exp(-x / s) / (1 + s)"
    )
    found = load(model(density, "F(s)")).fit(x)

    def lack(s: float) -> float:
        return float(-np.sum(np.where(x < 0, x, -x / s)) + x.size * np.log1p(s))

    best = minimize_scalar(lack, bounds=(0.1, 50), method="bounded", options={"xatol": 1e-10})
    assert found.params["s"] == pytest.approx(best.x, rel=1e-6)
    assert found.log_likelihood == pytest.approx(-best.fun, rel=1e-12)


CUT = "density F(x : real; s : positive) = exp(-(x - 2) / s) / s if x >= 2 else 0"


def test_data_outside_of_a_support_are_refused() -> None:
    x = 2 + RNG.exponential(3, 50)
    module = load(model(CUT, "F(s)"))
    assert module.fit(x).params["s"] == pytest.approx(np.mean(x - 2))
    x[7] = 1.5
    with pytest.raises(DataError, match=r"row 7 of N \(x = 1.5\) has probability zero"):
        module.fit(x)


def test_a_missing_cell_is_in_no_support() -> None:
    x = 2 + RNG.exponential(3, 50)
    x[[3, 9]] = np.nan
    found = load(model(CUT, "F(s)")).fit(x)
    assert found.params["s"] == pytest.approx(np.nanmean(x - 2))


def test_a_mixture_of_supports_decides_the_component() -> None:
    text = f"""{CUT}
model M
param w : unit
param s : positive
for n in N:
    latent z[n] ~ Bernoulli(w)
    data   x[n] ~ F(s) if z[n] else Normal(0, 1)
"""
    x = np.r_[RNG.normal(size=400), 2 + RNG.exponential(3, 600)]
    found = load(Source(text, "m.em")).fit(x)
    after = found.posterior(x)["z"]
    assert np.all(after[x < 2][:, 1] == 0)
    assert found.params["w"] == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize(
    ("kind", "good", "bad", "message"),
    [
        ("positive", 1.0, 0.0, "x[1] is 0, expected a positive number"),
        ("positive", 1.0, -2.0, "x[1] is -2, expected a positive number"),
        ("unit", 0.5, 1.2, "x[1] is 1.2, expected a number from 0 to 1"),
        ("count", 3, -1, "x[1] is -1, expected a count (0, 1, 2, ...)"),
        ("count", 3, 2.5, "x[1] is 2.5, expected a count (0, 1, 2, ...)"),
        ("bool", 1, 2, "x[1] is 2, expected 0 or 1"),
    ],
)
def test_data_outside_of_the_type_are_refused(kind, good, bad, message) -> None:
    module = load(model(f"likelihood F(x : {kind}; s : positive) = s * exp(-s * x)", "F(s)"))
    with pytest.raises(DataError) as refusal:
        module.fit([good, bad])
    assert str(refusal.value) == message


def test_a_case_that_a_parameter_decides_is_refused() -> None:
    density = "density F(x : real; s : positive) = exp(-(x - s)) if x >= s else 0"
    with pytest.raises(CompileError) as refusal:
        load(model(density, "F(s)"))
    assert str(refusal.value) == (
        "m.em:5:17: error: where the cases of F change depends on a parameter: its likelihood has "
        "jumps or kinks there, and no rule of calculus finds its maximum [moving-case]\n"
        "    5 |     data x[n] ~ F(s)\n"
        "      |                 ^^^^\n"
        "  help: make what the test is about a `const` or an `input`; write a kink as `abs`"
    )
