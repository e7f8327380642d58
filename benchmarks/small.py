"""Small fits, where calls cost more than arithmetic: Old Faithful, 272 rows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from gaussian import diagonal_params, peer
from race import ROOT, Contender, Fit, Workload, missing, module_of


def _start() -> tuple[Any, dict[str, Any]]:
    path = ROOT / "models" / "data" / "faithful.csv"
    x = np.loadtxt(path, delimiter=",", skiprows=1)
    spread = x.var(axis=0)
    start = {
        "weight": np.full(2, 0.5),
        "mean": np.array([[2.5, 60.0], [4.0, 75.0]]),
        "var": np.stack([spread, spread]),
    }
    return x, start


def _sklearn(x: Any, start: dict[str, Any]) -> list[Contender]:
    return [] if missing("sklearn") else [peer("full", x, start)]


def steps(_scale: float) -> list[Contender]:
    """E-step and M-step alone."""
    x, start = _start()
    cov = start["var"][:, :, None] * np.eye(2)
    params = {"weight": start["weight"], "mean": start["mean"], "cov": cov}
    return [Fit("gaussian_mixture", {"x": x}, params).contender(), *_sklearn(x, start)]


def runs(_scale: float) -> list[Contender]:
    """With all that `fit` watches: one call of 400 iterations, less one of 100."""
    x, start = _start()
    cov = start["var"][:, :, None] * np.eye(2)
    init = {"weight": start["weight"], "mean": start["mean"], "cov": cov}
    module = module_of("gaussian_mixture")
    done: list[Any] = []

    def fit(iterations: int) -> float:
        begin = time.process_time()
        done[:] = [module.fit(x, init=init, max_iter=iterations, tol=0.0, progress=False)]
        return time.process_time() - begin

    def step() -> float:
        return fit(30)

    return [Contender("emdsl (fit, 30 iterations)", step, lambda: done[0].log_likelihood)]


def diagonal_steps(_scale: float) -> list[Contender]:
    x, start = _start()
    model = "gaussian_mixture_diagonal"
    return [Fit(model, {"x": x}, diagonal_params(model, start)).contender()]


def graph_steps(_scale: float) -> list[Contender]:
    """A precision with two entries held at zero, which no formula solves."""
    path = ROOT / "models" / "data" / "iris.csv"
    x = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(4))
    params = {"weight": np.full(3, 1 / 3), "mean": x[[0, 60, 120]], "conc": np.eye(4)}
    return [Fit("concentration_graph", {"x": x}, params).contender()]


def bounded_steps(_scale: float) -> list[Contender]:
    """A precision of five with ten bounds, two of which are met: a quadratic program each step."""
    path = ROOT / "models" / "data" / "holzinger.csv"
    x = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(1, 2, 6, 7, 8))
    params = {"mean": x.mean(axis=0), "conc": np.eye(5)}
    return [Fit("positive_dependence", {"x": x}, params).contender()]


def phase_steps(_scale: float) -> list[Contender]:
    """A chain of three states whose probabilities of staying have lower bounds."""
    path = ROOT / "models" / "data" / "macro_growth.csv"
    growth = np.loadtxt(path, delimiter=",", skiprows=1, usecols=2)
    params = {
        "start": np.full(3, 1.0 / 3.0),
        "trans": 0.25 + 0.25 * np.eye(3),
        "mean": np.array([-1.0, 0.5, 2.0]),
        "sd": np.array(1.0),
    }
    return [Fit("growth_phases", {"growth": growth}, params).contender()]


WORKLOADS = [
    Workload("272 rows, full, D=2 K=2 (under 0.0003 s)", steps, None, 300, 7),
    Workload("272 rows, diagonal, D=2 K=2", diagonal_steps, None, 300, 7),
    Workload("150 rows, a precision with zeros, D=4 K=3", graph_steps, None, 300, 7),
    Workload("301 rows, a precision with bounds, D=5", bounded_steps, None, 300, 7),
    Workload("202 rows, a chain with bounds on transitions, K=3", phase_steps, None, 300, 7),
    Workload("272 rows, a whole fit of 30 iterations", runs, None, 5, 5),
]
