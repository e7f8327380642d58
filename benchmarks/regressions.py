"""A mixture of regressions against a NumPy loop as one writes it by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from race import Contender, Fit, Workload

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


def _by_hand(u: Floats, y: Floats, start: dict[str, Floats]) -> Contender:
    """Whole arrays, (N, K), one weighted least squares for each component."""
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
        beta = np.stack(
            [np.linalg.solve((u * w[:, None]).T @ u, (u * w[:, None]).T @ y) for w in r.T]
        )
        residual = y[:, None] - u @ beta.T
        state["beta"], state["weight"] = beta, mass / len(y)
        state["sd"] = np.sqrt((r * residual**2).sum(axis=0) / mass)

    return Contender("NumPy by hand", step, lambda: resp()[1])


def enter(n: int, p: int, k: int) -> Any:
    def go(scale: float) -> list[Contender]:
        u, y, start = _data(int(n * scale), p, k)
        return [
            Fit("mixture_of_regressions", {"u": u, "y": y}, start).contender(),
            _by_hand(u, y, start),
        ]

    return go


WORKLOADS = [Workload("mixture of regressions, N=1e5 P=10 K=4", enter(100_000, 10, 4))]
