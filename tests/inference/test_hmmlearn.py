"""Hidden Markov models beside hmmlearn's at the same parameters, and one step of EM from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emdsl.compiler import load

pytest.importorskip("hmmlearn")
from hmmlearn import hmm  # only where it is installed

MODELS = Path(__file__).parents[2] / "models"
LENGTHS = [40, 1, 25, 7]
K, D, V = 3, 2, 4


def draw(rng: np.random.Generator) -> dict[str, Any]:
    covariances = np.stack([np.cov(rng.standard_normal((D, 9))) for _ in range(K)])
    return {
        "start": rng.dirichlet(np.ones(K)),
        "trans": rng.dirichlet(np.ones(K), K),
        "emit": rng.dirichlet(np.ones(V), K),
        "rate": rng.uniform(1.0, 9.0, K),
        "mean": rng.normal(0.0, 2.0, (K, D)),
        "sd": rng.uniform(0.5, 1.5, (K, D)),
        "cov": covariances,
        "tied": covariances[0],
    }


def gaussian(peer: Any, covariance: str, p: dict[str, Any]) -> Any:
    peer.means_ = p["mean"]
    peer.covars_ = {"diag": p["sd"] ** 2, "full": p["cov"], "tied": p["tied"]}[covariance]
    return peer


def case(name: str, rng: np.random.Generator) -> tuple[Any, dict[str, Any], Any, NDArray[Any]]:
    """Our module with parameters, hmmlearn's model with the same, and data."""
    p = draw(rng)
    n = sum(LENGTHS)
    chain = {"start": p["start"], "trans": p["trans"]}
    options: dict[str, Any] = {"implementation": "log", "n_iter": 1, "init_params": "", "tol": 0.0}
    if name == "hmm":
        peer = hmm.CategoricalHMM(K, **options)
        peer.emissionprob_ = p["emit"]
        x = rng.integers(0, V, n)
        params = {**chain, "emit": p["emit"]}
    elif name == "poisson_hmm":
        peer = hmm.PoissonHMM(K, **options)
        peer.lambdas_ = p["rate"][:, None]
        x = rng.poisson(4.0, n)
        params = {**chain, "rate": p["rate"]}
    else:
        kind = {
            "gaussian_hmm": "full",
            "gaussian_hmm_tied": "tied",
            "gaussian_hmm_diagonal": "diag",
        }
        plain = {"covars_prior": 0.0, "means_weight": 0.0, "min_covar": 0.0}
        if kind[name] == "diag":
            plain["covars_weight"] = 1.0  # its M-step then divides by the weights alone
        peer = gaussian(hmm.GaussianHMM(K, kind[name], **plain, **options), kind[name], p)
        x = rng.standard_normal((n, D)) * 2.0
        spread = {
            "full": {"cov": p["cov"]},
            "tied": {"cov": p["tied"]},
            "diag": {"var": p["sd"] ** 2},
        }
        params = {**chain, "mean": p["mean"], **spread[kind[name]]}
    peer.startprob_, peer.transmat_ = p["start"], p["trans"]
    return load(MODELS / f"{name}.em"), params, peer, x


NAMES = ("hmm", "poisson_hmm", "gaussian_hmm", "gaussian_hmm_tied", "gaussian_hmm_diagonal")


def ours(module: Any, x: NDArray[Any]) -> tuple[dict[str, Any], list[int]]:
    """Data for our model, and the lengths: one sequence where its model has but one."""
    meta = module.PROGRAM.meta
    data = next(a.name for a in meta.arrays if a.role == "data")
    if any(p.over for p in meta.plates):
        return {data: x, "T": LENGTHS}, LENGTHS
    return {data: x}, [len(x)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_same_answers(name: str, seed: int) -> None:
    module, params, peer, x = case(name, np.random.default_rng(seed))
    data, lengths = ours(module, x)
    rows = x if x.ndim == 2 else x[:, None]
    assert module.log_likelihood(data, params) == pytest.approx(
        peer.score(rows, lengths), rel=1e-10
    )
    np.testing.assert_allclose(
        module.posterior(data, params)["z"], peer.predict_proba(rows, lengths), atol=1e-10
    )
    paths = module.predict(data, params)["z"], peer.predict(rows, lengths)
    values = [log_joint(path, rows, lengths, peer) for path in paths]
    assert values[0] == pytest.approx(values[1], rel=1e-12)  # equal values in another order tie
    assert np.mean(paths[0] == paths[1]) > 0.9


def log_joint(path: NDArray[Any], rows: NDArray[Any], lengths: list[int], peer: Any) -> float:
    """The log joint of a path and the data, by hmmlearn's densities."""
    emitted = peer._compute_log_likelihood(rows)[np.arange(len(path)), path].sum()
    first = np.cumsum([0, *lengths[:-1]])
    later = np.setdiff1d(np.arange(len(path)), first)
    steps = np.log(peer.transmat_[path[later - 1], path[later]]).sum()
    return float(emitted + np.log(peer.startprob_[path[first]]).sum() + steps)


@pytest.mark.parametrize("name", ["hmm", "poisson_hmm"])
def test_same_step(name: str) -> None:
    module, params, peer, x = case(name, np.random.default_rng(2))
    data, lengths = ours(module, x)
    new = module.m_step(module.e_step(data, params), params)
    peer.fit(x[:, None], lengths)
    np.testing.assert_allclose(new["start"], peer.startprob_, rtol=1e-8)
    np.testing.assert_allclose(new["trans"], peer.transmat_, rtol=1e-8)
    emitted = peer.emissionprob_ if name == "hmm" else peer.lambdas_[:, 0]
    np.testing.assert_allclose(new["emit" if name == "hmm" else "rate"], emitted, rtol=1e-8)
