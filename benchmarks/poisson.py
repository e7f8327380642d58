"""Poisson mixtures against pomegranate, on counts as they come and with equal rows collapsed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from race import Contender, Fit, Workload, missing

Floats = NDArray[np.float64]


def _data(n: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(3)
    rate = np.array([1.0, 4.0, 10.0, 20.0, 40.0])
    y = rng.poisson(rate[rng.integers(5, size=n)]).astype(np.float64)
    return y, np.full(5, 0.2), rate * np.array([1.3, 0.8, 1.1, 0.9, 1.05])


def _pomegranate(y: Floats, weight: Floats, rate: Floats) -> Contender:
    import torch
    from pomegranate.distributions import Poisson
    from pomegranate.gmm import GeneralMixtureModel

    torch.set_num_threads(1)
    rows = torch.tensor(y[:, None], dtype=torch.float32)
    parts = [Poisson(torch.tensor([r], dtype=torch.float32)) for r in rate]
    peer: Any = GeneralMixtureModel(parts, priors=torch.tensor(weight, dtype=torch.float32))

    def step() -> None:
        peer.summarize(rows)
        peer.from_summaries()

    def score() -> float:
        return float(peer.log_probability(rows).double().sum())

    return Contender("pomegranate (float32)", step, score)


def enter(n: int, *, collapse: bool) -> Any:
    def go(scale: float) -> list[Contender]:
        y, weight, rate = _data(int(n * scale))
        data = {"y": y, "freq": np.ones(len(y))}
        params = {"weight": weight, "rate": rate}
        found = [Fit("poisson_mixture", data, params, collapse=collapse).contender()]
        return found if missing("pomegranate") else [*found, _pomegranate(y, weight, rate)]

    return go


WORKLOADS = [
    Workload("Poisson mixture, every row, N=1e6 K=5", enter(1_000_000, collapse=False), 10.0),
    Workload("Poisson mixture, distinct rows, N=1e6 K=5", enter(1_000_000, collapse=True), 1000.0),
]
