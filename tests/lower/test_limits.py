"""Values, gradients and Hessians where families are near a limit, against sixty digits.

Each term of a derivative is far larger there than their sum. What matters to Newton's method is the
derivative by the log of a parameter; it has to be known to rounding of what the data add to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest

from emdsl.compiler import load
from emdsl.runtime.numeric import Share
from emdsl.source import Source

mp = mpmath
Numbers = Mapping[str, Any]

COUNTS = np.array([0.0, 1.0, 3.0, 4.0, 4.0, 6.0, 9.0, 12.0])
REALS = np.array([-2.1, -0.6, -0.3, 0.1, 0.2, 0.8, 1.1, 1.9])

NB = "mass Mine(x : count; r, m : positive) ="
GAMMAS = "lgamma(r + x) - lgamma(x + 1) - lgamma(r)"

BETA = """mass Mine(x : count; a, b : positive, n : count) = exp(
    lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1) + lgamma(a + b) - lgamma(a) - lgamma(b)
    + lgamma(a + x) + lgamma(b + n - x) - lgamma(a + b + n))
"""
STUDENT = """density Mine(x : real; v, s : positive) = exp(
    lgamma(v / 2 + 1 / 2) - lgamma(v / 2) - log(3.141592653589793 * v) / 2 - log(s)
    - (v + 1) / 2 * log(1 + (x / s)^2 / v))
"""


def negative_binomial(x: Any, r: Any, m: Any) -> Any:
    rising = mp.loggamma(r + x) - mp.loggamma(r) - mp.loggamma(x + 1)
    return rising + r * mp.log(r / (r + m)) + x * mp.log(m / (r + m))


def beta_binomial(x: Any, a: Any, b: Any) -> Any:
    def beta(a: Any, b: Any) -> Any:
        return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)

    return mp.log(mp.binomial(12, x)) + beta(a + x, b + 12 - x) - beta(a, b)


def student(x: Any, nu: Any, s: Any) -> Any:
    half = (nu + 1) / 2
    front = mp.loggamma(half) - mp.loggamma(nu / 2) - mp.log(nu * mp.pi) / 2 - mp.log(s)
    return front - half * mp.log(1 + (x / s) ** 2 / nu)


def by_mean(x: Any, p: Numbers) -> Any:
    return negative_binomial(x, p["r"], p["m"])


# name: what it is drawn from, what stands above the model, the two parameters at size 1e0, and how
# they go out, the data, the exact log density
CASES: dict[str, tuple[str, str, dict[str, float], dict[str, float], Any, Callable[..., Any]]] = {
    "shape": ("NegativeBinomial(mu = m, phi = r)", "", {"m": 4.7, "r": 1.3}, {"r": 1}, COUNTS,
              by_mean),
    "rate": ("NegativeBinomial(alpha = r, beta = b)", "", {"r": 1.3, "b": 1.3 / COUNTS.mean()},
             {"r": 1, "b": 1}, COUNTS,  # b is put in: the mean is the data's
             lambda x, p: negative_binomial(x, p["r"], COUNTS.mean())),
    "dispersion": ("NegativeBinomial(mean = m, dispersion = d)", "", {"m": 4.7, "d": 0.7},
                   {"d": -1}, COUNTS, lambda x, p: negative_binomial(x, 1 / p["d"], p["m"])),
    "own": ("Mine(r, m)",
            f"{NB} exp({GAMMAS} + r * log(r / (r + m)) + x * log(m / (r + m)))",
            {"r": 1.3, "m": 4.7}, {"r": 1}, COUNTS, by_mean),
    "own, as logs": ("Mine(r, m)",
                     f"{NB} exp({GAMMAS} + r * (log(r) - log(m + r)) + x * log(m / (r + m)))",
                     {"r": 1.3, "m": 4.7}, {"r": 1}, COUNTS, by_mean),
    "beta": ("BetaBinomial(12, a, b)", "", {"a": 1.7, "b": 2.9}, {"a": 1, "b": 1}, COUNTS,
             lambda x, p: beta_binomial(x, p["a"], p["b"])),
    "own beta": ("Mine(a, b, 12)", BETA, {"a": 1.7, "b": 2.9}, {"a": 1, "b": 1}, COUNTS,
                 lambda x, p: beta_binomial(x, p["a"], p["b"])),
    "student": ("StudentT(v, 0, s)", "", {"v": 1.7, "s": 1.1}, {"v": 1}, REALS,
                lambda x, p: student(x, p["v"], p["s"])),
    "own student": ("Mine(v, s)", STUDENT, {"v": 1.7, "s": 1.1}, {"v": 1}, REALS,
                    lambda x, p: student(x, p["v"], p["s"])),
}  # fmt: skip


@cache
def module(name: str) -> Any:
    dist, above, params, _, data, _ = CASES[name]
    kind = " : count" if data is COUNTS else ""
    names = ", ".join(params)
    return load(
        Source(
            f"{above}\nmodel M\nparam {names} : positive\n"
            f"for n in N:\n    data x[n]{kind} ~ {dist}\n",
            "m.em",
        )
    )


def exact(name: str, at: dict[str, float], by: Sequence[str]) -> tuple[float, Any, Any]:
    """The log likelihood and its derivatives by the logs of some parameters."""
    *_, data, density = CASES[name]

    def total(*logs: Any) -> Any:
        folds = dict(zip(by, logs, strict=True))
        point = {n: mp.mpf(v) * mp.exp(folds.get(n, 0)) for n, v in at.items()}
        return mp.fsum(density(mp.mpf(float(x)), point) for x in data)

    here, unit = (0,) * len(by), np.eye(len(by), dtype=int)
    with mp.workdps(90):
        first = [float(mp.diff(total, here, tuple(map(int, u)))) for u in unit]
        second = [[float(mp.diff(total, here, tuple(map(int, u + w)))) for w in unit] for u in unit]
        return float(total(*here)), np.array(first), np.array(second)


@pytest.mark.parametrize("far", [1.0, 1e6, 1e11])
@pytest.mark.parametrize("name", CASES)
def test_digits_are_kept_on_the_way_to_a_limit(
    name: str, far: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, params, outwards, data, _ = CASES[name]
    at = {n: v * far ** outwards.get(n, 0) for n, v in params.items()}
    made, asked = module(name), []

    def climb(block: Any, statistics: Any, values: Any, unit: Any = 1.0) -> Any:
        del unit  # only says what is too little to matter
        asked.append((block, statistics, values))
        return tuple(np.asarray(values[n], dtype=float) for n in block.params)

    monkeypatch.setattr(made.rt, "climb", climb)
    made.m_step(made.e_step(data, at), {n: np.asarray(v) for n, v in at.items()})
    ((block, statistics, values),) = asked
    value, first, second = exact(name, at, block.params)
    assert np.isclose(made.log_likelihood(data, at), value, rtol=1e-13, atol=0.0)
    point = tuple(np.asarray(values[n], dtype=float) for n in block.params)
    slopes = Share(block, statistics, values).slopes(point, True)
    assert slopes.hessian is not None
    scale = np.array([at[n] for n in block.params])
    gradient = np.array([float(g) for g in slopes.gradient]) * scale
    hessian = np.array([[float(h) for h in row] for row in slopes.hessian]) * np.outer(scale, scale)
    rounding = 1e-15 * (np.abs(data).sum() + len(data))
    np.testing.assert_allclose(gradient, first, rtol=1e-12, atol=rounding)
    np.testing.assert_allclose(hessian + np.diag(gradient), second, rtol=1e-12, atol=rounding)
