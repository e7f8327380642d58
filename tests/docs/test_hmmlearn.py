"""Where the page on discrete structure says that hmmlearn has the same model, it has.

At the same parameters both find the same log likelihood, and states of the same probability.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emdsl

hmm = pytest.importorskip("hmmlearn.hmm")
ROOT = Path(__file__).parents[2]


def table(name: str, *columns: str) -> np.ndarray[Any, Any]:
    path = ROOT / "models" / "data" / f"{name}.csv"
    read = np.genfromtxt(path, delimiter=",", names=True)
    return np.stack([read[c] for c in columns], axis=-1)


def given(peer: Any, params: dict[str, Any], **others: Any) -> Any:
    peer.startprob_, peer.transmat_ = params["start"], params["trans"]
    for name, value in others.items():
        setattr(peer, name, value)
    return peer


@pytest.mark.parametrize(
    ("model", "kind", "spread"),
    [
        ("gaussian_hmm", "full", "cov"),
        ("gaussian_hmm_diagonal", "diag", "var"),
        ("gaussian_hmm_tied", "tied", "cov"),
    ],
)
def test_normal(model: str, kind: str, spread: str) -> None:
    x = table("geyser", "waiting", "duration")
    result = emdsl.load(ROOT / "models" / f"{model}.em").fit(x, K=2, seed=0, restarts=1)
    peer = given(
        hmm.GaussianHMM(2, covariance_type=kind),
        result.params,
        n_features=2,
        means_=result.params["mean"],
        covars_=result.params[spread],
    )
    assert peer.score(x) == pytest.approx(result.log_likelihood, rel=1e-10)
    best, _ = peer.decode(x)  # rows are the same here and there, and so are paths through them
    assert joint(peer, x, result.predict()["z"]) == pytest.approx(best, rel=1e-10)


def joint(peer: Any, x: np.ndarray[Any, Any], path: np.ndarray[Any, Any]) -> float:
    """The log probability of data and states together, by hmmlearn's densities."""
    seen = peer._compute_log_likelihood(x)[np.arange(len(path)), path].sum()
    steps = np.log(peer.transmat_[path[:-1], path[1:]]).sum()
    return float(seen + steps + np.log(peer.startprob_[path[0]]))


def test_counts() -> None:
    y = table("earthquakes", "count")
    result = emdsl.load(ROOT / "models" / "poisson_hmm.em").fit(
        y[:, 0], K=3, seed=0, restarts=1, max_iter=50
    )
    peer = given(
        hmm.PoissonHMM(3), result.params, n_features=1, lambdas_=result.params["rate"][:, None]
    )
    assert peer.score(y) == pytest.approx(result.log_likelihood, rel=1e-10)


def test_symbols_of_several_sequences() -> None:
    who, x = table("cued", "s", "x").astype(int).T
    lengths = np.bincount(who)
    result = emdsl.load(ROOT / "models" / "hmm.em").fit(
        x, lengths=lengths, K=2, seed=0, restarts=1, max_iter=50
    )
    peer = given(
        hmm.CategoricalHMM(2), result.params, n_features=3, emissionprob_=result.params["emit"]
    )
    assert peer.score(x[:, None], lengths) == pytest.approx(result.log_likelihood, rel=1e-10)


def test_the_prior_is_there() -> None:
    assert hmm.GaussianHMM().covars_prior == 0.01
