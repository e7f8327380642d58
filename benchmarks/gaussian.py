"""Gaussian mixtures against scikit-learn: full covariances of three shapes, and diagonal ones."""

# ruff: noqa: SLF001 - a peer's own E-step and M-step, without the rest of its fit

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from race import Contender, Fit, Workload, missing, module_of

Floats = NDArray[np.float64]


def _data(n: int, d: int, k: int) -> tuple[Floats, dict[str, Floats]]:
    """Overlapping clusters, and a start near but not at them."""
    rng = np.random.default_rng(1)
    centers = rng.normal(0.0, 2.0, (k, d))
    scale = rng.uniform(0.5, 1.5, (k, d))
    z = rng.integers(k, size=n)
    x = centers[z] + scale[z] * rng.normal(size=(n, d))
    mean = centers + rng.normal(0.0, 0.5, (k, d))
    return x, {"weight": np.full(k, 1.0 / k), "mean": mean, "var": np.full((k, d), 2.0)}


def peer(kind: str, x: Floats, start: dict[str, Floats]) -> Contender:
    """scikit-learn's own E-step and M-step, without the rest of its fit."""
    from sklearn.mixture import GaussianMixture

    k, d = start["mean"].shape
    own: Any = GaussianMixture(k, covariance_type=kind, reg_covar=0.0)
    own.weights_, own.means_ = start["weight"].copy(), start["mean"].copy()
    root = 1.0 / np.sqrt(start["var"])
    own.precisions_cholesky_ = root if kind == "diag" else root[:, :, None] * np.eye(d)

    def step() -> None:
        _, log_resp = own._e_step(x)
        own._m_step(x, log_resp)

    return Contender("scikit-learn", step, lambda: float(own._e_step(x)[0]) * len(x))


def full(n: int, d: int, k: int) -> Any:
    def enter(scale: float) -> list[Contender]:
        x, start = _data(max(int(n * scale), 10 * d), d, k)
        params = {
            "weight": start["weight"],
            "mean": start["mean"],
            "cov": start["var"][:, :, None] * np.eye(d),
        }
        found = [Fit("gaussian_mixture", {"x": x}, params).contender()]
        return found if missing("sklearn") else [*found, peer("full", x, start)]

    return enter


def diagonal(n: int, d: int, k: int) -> Any:
    def enter(scale: float) -> list[Contender]:
        x, start = _data(max(int(n * scale), 10 * d), d, k)
        model = "gaussian_mixture_diagonal"
        found = [Fit(model, {"x": x}, diagonal_params(model, start)).contender()]
        return found if missing("sklearn") else [*found, peer("diag", x, start)]

    return enter


def diagonal_params(model: str, start: dict[str, Floats]) -> dict[str, Floats]:
    """The start in the model's own parameter: a variance or a standard deviation."""
    names = [p.name for p in module_of(model).META.params]
    spread = {"var": start["var"], "sd": np.sqrt(start["var"])}
    return {n: spread[n] if n in spread else start[n] for n in names}


WORKLOADS = [
    Workload("Gaussian mixture, full, N=1e5 D=16 K=16", full(100_000, 16, 16), 8.0),
    Workload("Gaussian mixture, full, N=1e6 D=2 K=5", full(1_000_000, 2, 5), 20.0),
    Workload("Gaussian mixture, full, N=2e4 D=64 K=10", full(20_000, 64, 10), 2.5),
    Workload("Gaussian mixture, diagonal, N=5e5 D=32 K=32", diagonal(500_000, 32, 32), 8.0, 2, 3),
]
