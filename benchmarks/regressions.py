"""A mixture of regressions against a NumPy loop by hand, and against refits as flexmix does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from race import Contender, Fit, Workload, missing

Floats = NDArray[np.float64]


def _data(n: int, p: int, k: int) -> tuple[Floats, Floats, dict[str, Floats]]:
    rng = np.random.default_rng(4)
    beta = rng.normal(0.0, 2.0, (k, p))
    u = rng.normal(size=(n, p))
    u[:, 0] = 1.0
    z = rng.integers(k, size=n)
    y = (u * beta[z]).sum(axis=1) + 0.5 * rng.normal(size=n)
    start = beta + rng.normal(0.0, 0.3, (k, p))
    return u, y, {"weight": np.full(k, 1.0 / k), "beta": start, "sd": np.ones(k)}


def _em(u: Floats, y: Floats, start: dict[str, Floats], refit: Any, name: str) -> Contender:
    """Whole arrays, (N, K); `refit(weights)` are the coefficients of one component."""
    state = dict(start)

    def resp() -> tuple[Floats, float]:
        sd = state["sd"]
        residual = (y[:, None] - u @ state["beta"].T) / sd
        log_joint = np.log(state["weight"] / sd) - 0.5 * residual**2 - 0.5 * np.log(2 * np.pi)
        top = log_joint.max(axis=1, keepdims=True)
        joint = np.exp(log_joint - top)
        total = joint.sum(axis=1, keepdims=True)
        return joint / total, float((np.log(total) + top).sum())

    def step() -> None:
        r, _ = resp()
        mass = r.sum(axis=0)
        beta = np.stack([refit(w) for w in r.T])
        residual = y[:, None] - u @ beta.T
        state["beta"], state["weight"] = beta, mass / len(y)
        state["sd"] = np.sqrt((r * residual**2).sum(axis=0) / mass)

    return Contender(name, step, lambda: resp()[1])


def _by_hand(u: Floats, y: Floats, start: dict[str, Floats]) -> Contender:
    def refit(w: Floats) -> Floats:
        return np.linalg.solve((u * w[:, None]).T @ u, (u * w[:, None]).T @ y)

    return _em(u, y, start, refit, "NumPy by hand")


def _refits(u: Floats, y: Floats, start: dict[str, Floats]) -> Contender:
    """As flexmix: a least squares fit of each component to all rows, weighted."""
    from sklearn.linear_model import LinearRegression

    def refit(w: Floats) -> Floats:
        return np.asarray(LinearRegression(fit_intercept=False).fit(u, y, sample_weight=w).coef_)

    return _em(u, y, start, refit, "refits by scikit-learn")


def enter(n: int, p: int, k: int) -> Any:
    def go(scale: float) -> list[Contender]:
        u, y, start = _data(int(n * scale), p, k)
        found = [
            Fit("mixture_of_regressions", {"u": u, "y": y}, start).contender(),
            _by_hand(u, y, start),
        ]
        return found if missing("sklearn") else [*found, _refits(u, y, start)]

    return go


WORKLOADS = [Workload("mixture of regressions, N=1e5 P=10 K=4", enter(100_000, 10, 4))]
