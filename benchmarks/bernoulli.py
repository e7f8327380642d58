"""Latent classes of binary items against StepMix and pomegranate."""

# ruff: noqa: SLF001 - a peer's own E-step and M-step, without the rest of its fit

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from race import Contender, Fit, Workload, missing

Floats = NDArray[np.float64]


def _data(n: int, d: int, k: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(2)
    prob = rng.uniform(0.1, 0.9, (k, d))
    z = rng.integers(k, size=n)
    x = (rng.random((n, d)) < prob[z]).astype(np.float64)
    start = np.clip(prob + rng.normal(0.0, 0.1, (k, d)), 0.05, 0.95)
    return x, np.full(k, 1.0 / k), start


def _stepmix(x: Floats, weight: Floats, prob: Floats) -> Contender:
    from stepmix.stepmix import StepMix

    peer: Any = StepMix(
        len(weight), measurement="binary", verbose=0, progress_bar=0, random_state=0
    )
    peer._check_initial_parameters(x)
    peer._check_x_y(x, None, reset=True)
    peer._initialize_parameters(x, np.random.RandomState(0))
    peer.weights_ = weight.copy()
    peer._mm.parameters["pis"] = prob.copy()

    def step() -> None:
        _, log_resp = peer._e_step(x)
        peer._m_step(x, np.exp(log_resp))

    return Contender("StepMix", step, lambda: float(peer._e_step(x)[0]) * len(x))


def _pomegranate(x: Floats, weight: Floats, prob: Floats) -> Contender:
    import torch
    from pomegranate.distributions import Bernoulli
    from pomegranate.gmm import GeneralMixtureModel

    torch.set_num_threads(1)
    rows = torch.tensor(x, dtype=torch.float32)
    parts = [Bernoulli(torch.tensor(p, dtype=torch.float32)) for p in prob]
    peer: Any = GeneralMixtureModel(parts, priors=torch.tensor(weight, dtype=torch.float32))

    def step() -> None:
        peer.summarize(rows)
        peer.from_summaries()

    return Contender("pomegranate (float32)", step, lambda: float(peer.log_probability(rows).sum()))


def enter(n: int, d: int, k: int) -> Any:
    def go(scale: float) -> list[Contender]:
        x, weight, prob = _data(int(n * scale), d, k)
        params = {"weight": weight, "prob": prob}
        found = [Fit("bernoulli_mixture", {"x": x}, params).contender()]
        if not missing("stepmix"):
            found.append(_stepmix(x, weight, prob))
        if not missing("pomegranate"):
            found.append(_pomegranate(x, weight, prob))
        return found

    return go


WORKLOADS = [
    Workload("Bernoulli latent class, N=1e5 D=50 K=10", enter(100_000, 50, 10), 5.0),
    Workload("the same, few patterns, N=1e5 D=8 K=3", enter(100_000, 8, 3), 100.0),
]
