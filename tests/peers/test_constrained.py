"""Numeric M-steps under constraints, beside SciPy's constrained optimisers on the likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize
from scipy.special import gammaln, logsumexp

from tests.peers.fits import compiled

Floats = NDArray[np.float64]

LOGISTIC = """\
model L
param beta : real[P]
{}for n in N:
    input u[n] : real[P]
    data  y[n] : bool ~ Bernoulli(logit = dot(beta, u[n]))
"""

GAMMAS = """\
model G(K = 2)
param weight  : simplex[K]
param shape[K], rate[K] : positive
{}for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : positive ~ Gamma(shape[z[n]], rate[z[n]])
"""

EXPERTS = """\
model E(K = 3)
param gate  : real[K, P]
param mu[K] : real
param sd    : positive
{}for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(softmax(gate @ u[n]))
    data   y[n] ~ Normal(mu[z[n]], sd)
"""


def logistic_data() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    u = np.c_[np.ones(400), rng.normal(size=(400, 2))]
    y = rng.random(400) < 1 / (1 + np.exp(-u @ [0.5, 1.0, -2.0]))
    return u, y.astype(float)


def logistic_loss(u: Floats, y: Floats) -> Callable[[Floats], float]:
    return lambda b: float(np.logaddexp(0.0, u @ b).sum() - y @ (u @ b))


EQUATIONS = {
    "constrain beta[0] == 0\n": ([[1, 0, 0]], [0], 2),
    "constrain beta[0] == beta[1]\n": ([[1, -1, 0]], [0], 2),
    "constrain beta[0] + 2 * beta[1] == 1\n": ([[1, 2, 0]], [1], 2),
    "constrain sum(beta) == 0\nconstrain beta[1] == 0.5\n": (
        [[1, 1, 1], [0, 1, 0]], [0, 0.5], 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", EQUATIONS)
def test_equations_of_coefficients(text: str) -> None:
    u, y = logistic_data()
    rows, right, free = EQUATIONS[text]
    loss = logistic_loss(u, y)
    peer = minimize(loss, np.zeros(3), method="SLSQP", options={"ftol": 1e-14},
                    constraints=LinearConstraint(np.array(rows), right, right))  # fmt: skip
    result = compiled(LOGISTIC.format(text)).fit({"u": u, "y": y})
    assert result.log_likelihood == pytest.approx(-peer.fun, rel=1e-8)
    np.testing.assert_allclose(np.array(rows) @ result.params["beta"], right, atol=1e-12)
    np.testing.assert_allclose(result.params["beta"], peer.x, atol=1e-4)
    assert result.n_params == free


BOUNDS: dict[str, list[tuple[float | None, float | None]]] = {
    "constrain beta >= -1\n": [(-1, None)] * 3,
    "constrain beta[2] <= -2.5\n": [(None, None), (None, None), (None, -2.5)],
    "constrain beta[1] <= 5\n": [(None, None), (None, 5), (None, None)],
}


@pytest.mark.parametrize("text", BOUNDS)
def test_bounds_of_coefficients(text: str) -> None:
    u, y = logistic_data()
    peer = minimize(logistic_loss(u, y), np.zeros(3), method="L-BFGS-B", bounds=BOUNDS[text],
                    options={"ftol": 1e-15, "gtol": 1e-10})  # fmt: skip
    result = compiled(LOGISTIC.format(text)).fit({"u": u, "y": y})
    assert result.log_likelihood == pytest.approx(-peer.fun, rel=1e-9)
    np.testing.assert_allclose(result.params["beta"], peer.x, atol=1e-4)


def test_entries_fixed_at_fit_time() -> None:
    u, y = logistic_data()
    loss = logistic_loss(u, y)
    peer = minimize(lambda b: loss(np.array([0.2, *b])), np.zeros(2), options={"gtol": 1e-9})
    result = compiled(LOGISTIC.format("")).fit(
        {"u": u, "y": y}, fix={"beta": [0.2, np.nan, np.nan]}
    )
    assert result.params["beta"][0] == 0.2
    np.testing.assert_allclose(result.params["beta"][1:], peer.x, atol=1e-5)
    assert result.n_params == 2


# --- where the rate's formula is put into the shape's Q, and where it may not be -----------------


def gamma_data() -> Floats:
    rng = np.random.default_rng(1)
    first = rng.random(600) < 0.4
    return np.where(first, rng.gamma(2, 1 / 3, size=600), rng.gamma(20, 1 / 4, size=600))


def gamma_loss(x: Floats, w: float, shape: Floats, rate: Floats) -> float:
    logs = (
        shape * np.log(rate) - gammaln(shape) + (shape - 1) * np.log(x[:, None]) - rate * x[:, None]
    )
    return -float(logsumexp(logs + np.log([w, 1 - w]), axis=1).sum())


Unpack = Callable[[Floats], tuple[Floats, Floats]]
GAMMA_CASES: dict[str, tuple[str, dict[str, Any], Unpack, int]] = {
    "tied rates": (
        "constrain rate[0] == rate[1]\n", {},
        lambda t: (np.exp(t[:2]), np.exp([t[2], t[2]])), 3,
    ),
    "fixed rates": (
        "", {"fix": {"rate": [3.0, 4.0]}}, lambda t: (np.exp(t), np.array([3.0, 4.0])), 2,
    ),
    "one fixed shape": (
        "", {"fix": {"shape": [2.0, np.nan]}},
        lambda t: (np.array([2.0, np.exp(t[0])]), np.exp(t[1:])), 3,
    ),
    "tied shapes": (
        "constrain shape[0] == shape[1]\n", {},
        lambda t: (np.exp([t[0], t[0]]), np.exp(t[1:])), 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GAMMA_CASES)
def test_gammas(case: str) -> None:
    text, options, unpack, size = GAMMA_CASES[case]
    x = gamma_data()
    module = compiled(GAMMAS.format(text))
    init = {"weight": [0.4, 0.6], "shape": [2.0, 20.0], "rate": [3.0, 4.0]}
    fixed = {"shape", "rate"} if text else set(options["fix"])
    result = module.fit({"x": x}, init={n: v for n, v in init.items() if n not in fixed}, tol=1e-12,
                        max_iter=5000, **options)  # fmt: skip

    def loss(t: Floats) -> float:
        return gamma_loss(x, 1 / (1 + np.exp(-t[0])), *unpack(t[1:]))

    shape, rate = (np.asarray(result.params[n]) for n in ("shape", "rate"))
    w = float(result.params["weight"][0])
    assert -gamma_loss(x, w, shape, rate) == pytest.approx(result.log_likelihood, rel=1e-10)
    best = np.inf
    for seed in range(4):
        start = np.random.default_rng(seed).normal(0.5, 1.0, size=size + 1)
        best = min(best, minimize(loss, start, method="BFGS").fun)
    assert result.log_likelihood >= -best - 1e-5 * abs(best)
    trace = result.objective_trace
    assert (np.diff(trace) >= -1e-9 * abs(trace[-1])).all()


def test_a_softmax_with_a_class_for_reference() -> None:
    """Fixing a row takes nothing away: the same maximum, and the same number of parameters."""
    rng = np.random.default_rng(2)
    u = np.c_[np.ones(500), rng.normal(size=500)]
    eta = u @ np.array([[0.0, 0.0], [1.0, 2.0], [0.0, -1.0]]).T
    z = (rng.random((500, 1)) > np.cumsum(np.exp(eta - logsumexp(eta, 1, keepdims=True)), 1)).sum(1)
    y = 3.0 * z + rng.normal(size=500)
    init = {"mu": [0.0, 3.0, 6.0], "sd": 1.0, "gate": np.zeros((3, 2))}
    free, fixed = (
        compiled(EXPERTS.format(text)).fit({"u": u, "y": y}, init=init, tol=1e-12)
        for text in ("", "constrain gate[0] == 0\n")
    )
    assert fixed.log_likelihood == pytest.approx(free.log_likelihood, rel=1e-8)
    assert (fixed.params["gate"][0] == 0.0).all()
    np.testing.assert_allclose(
        fixed.params["gate"], free.params["gate"] - free.params["gate"][0], atol=1e-3
    )
    assert fixed.n_params == free.n_params == 2 * 2 + 3 + 1


# --- what has no maximum is said ---------------------------------------------------------------


def test_separation_and_collinearity_are_reported() -> None:
    module = compiled(LOGISTIC.format(""))
    u, y = logistic_data()
    apart = module.fit({"u": u, "y": u[:, 1] > 0})
    said = (
        "beta has no finite maximum: the data are separated, which sends beta[1] to +infinity; "
        "give it a prior such as ~ Normal(0, 2.5)"
    )
    assert apart.messages == (said,)
    twice = np.c_[u, 2 * u[:, 1]]
    found = module.fit({"u": twice, "y": y})
    said = (
        "beta[1], beta[3] are not determined: adding t to beta[1] and -0.5 t to beta[3] changes "
        "nothing, whatever t is (their columns are collinear); drop one, fix one, or give them a "
        "prior such as ~ Normal(0, 2.5)"
    )
    assert found.messages == (said,)
    plain = module.fit({"u": u, "y": y})
    assert plain.messages == ()
    assert found.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-10)
