"""Hidden Markov models against hmmlearn, and Dawid and Skene's model against NumPy by hand.

A peer's iteration is `_do_estep` and `_do_mstep`, all that hmmlearn's `fit` does in one but the
convergence monitor, with its default priors off so that both maximise the same likelihood. Where
numba is installed emdsl runs twice, the first time with EMDSL_COMPILED=0, as without numba.
"""

# ruff: noqa: SLF001 - a peer's own E-step and M-step, without the rest of its fit

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from race import Contender, Fit, Workload, missing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RAGGED = "../benchmarks/ragged_gaussian_hmm"


def ours(model: str, data: Any, params: dict[str, Any]) -> list[Contender]:
    """emdsl with NumPy alone, and with numba's loops where it is installed."""
    found = [_wishing("0", Fit(model, data, params))]
    if find_spec("numba") is not None:
        found.append(_wishing("1", Fit(model, data, params, name="emdsl, numba")))
    return found


def _wishing(wish: str, fit: Fit) -> Contender:
    def step() -> None:
        os.environ["EMDSL_COMPILED"] = wish
        fit.step()

    fit.engine.e_step(fit.params)  # chains cut up and loops compiled, once in a fit
    return Contender(fit.name, step, fit.score, fit.setup)


def _with_peers(
    own: list[Contender], peer: Callable[[str], Any], rows: Any, lengths: Ints
) -> list[Contender]:
    """emdsl first, then hmmlearn both ways, then emdsl with numba."""
    if missing("hmmlearn"):
        return own
    peers = []
    for how in ("scaling", "log"):
        model = peer(how)
        model._check()

        def step(model: Any = model) -> None:
            stats, _ = model._do_estep(rows, lengths)
            model._do_mstep(stats)

        peers.append(
            Contender(f"hmmlearn {how}", step, lambda m=model: float(m.score(rows, lengths)))
        )
    return [own[0], *peers, *own[1:]]


def _table(rng: np.random.Generator, states: int) -> Floats:
    """Transitions that stay with probability 0.7 and more."""
    found: Floats = 0.7 * np.eye(states) + 0.3 * rng.dirichlet(np.ones(states), states)
    return found


def _walk(rng: np.random.Generator, table: Floats, lengths: Ints) -> Ints:
    """A draw of the states, sequences one after the other."""
    size = int(lengths.sum())
    first = set((np.cumsum(lengths) - lengths).tolist())
    ends = np.cumsum(table, axis=1)
    u = rng.random(size)
    z = np.empty(size, np.int64)
    for n in range(size):
        if n in first:
            z[n] = int(u[n] * len(table))
        else:
            z[n] = min(int(np.searchsorted(ends[z[n - 1]], u[n])), len(table) - 1)
    return z


def gaussian(model: str, lengths: Callable[[float], Ints], k: int, d: int) -> Any:
    def go(scale: float) -> list[Contender]:
        from hmmlearn.hmm import GaussianHMM

        rng = np.random.default_rng(5)
        n = lengths(scale)
        table, mean = _table(rng, k), 1.5 * rng.normal(size=(k, d))
        z = _walk(rng, table, n)
        x = mean[z] + rng.normal(size=(len(z), d))
        start = {
            "start": np.full(k, 1.0 / k),
            "trans": 0.5 * np.eye(k) + 0.5 / k,
            "mean": mean + 0.3 * rng.normal(size=(k, d)),
            "var": np.full((k, d), 2.0),
        }

        def peer(how: str) -> Any:
            found = GaussianHMM(k, "diag", implementation=how, covars_prior=0.0, init_params="")
            found.n_features = d
            found.startprob_, found.transmat_ = start["start"].copy(), start["trans"].copy()
            found.means_, found.covars_ = start["mean"].copy(), start["var"].copy()
            return found

        data = {"x": x, "T": n} if model == RAGGED else {"x": x}
        return _with_peers(ours(model, data, start), peer, x, n)

    return go


def categorical(t: int, k: int, v: int) -> Any:
    def go(scale: float) -> list[Contender]:
        from hmmlearn.hmm import CategoricalHMM

        rng = np.random.default_rng(6)
        n = np.array([int(t * scale)])
        table, emit = _table(rng, k), rng.dirichlet(np.full(v, 0.3), k)
        z = _walk(rng, table, n)
        x = np.minimum(
            (rng.random(len(z))[:, None] > np.cumsum(emit, axis=1)[z]).sum(axis=1), v - 1
        )
        x[:v] = np.arange(v)
        start = {
            "start": np.full(k, 1.0 / k),
            "trans": 0.5 * np.eye(k) + 0.5 / k,
            "emit": 0.5 * emit + 0.5 * rng.dirichlet(np.ones(v), k),
        }

        def peer(how: str) -> Any:
            found = CategoricalHMM(k, implementation=how, n_features=v, init_params="")
            found.startprob_, found.transmat_ = start["start"].copy(), start["trans"].copy()
            found.emissionprob_ = start["emit"].copy()
            return found

        return _with_peers(ours("hmm", {"x": x, "T": n}, start), peer, x[:, None], n)

    return go


def poisson(t: int, k: int) -> Any:
    def go(_scale: float) -> list[Contender]:
        from hmmlearn.hmm import PoissonHMM

        rng = np.random.default_rng(7)
        n = np.array([t])
        rate = 10.0 * 1.6 ** np.arange(k)
        y = rng.poisson(rate[_walk(rng, _table(rng, k), n)])
        start = {
            "start": np.full(k, 1.0 / k),
            "trans": 0.5 * np.eye(k) + 0.5 / k,
            "rate": 1.1 * rate,
        }

        def peer(how: str) -> Any:
            found = PoissonHMM(k, implementation=how, init_params="")
            found.n_features = 1
            found.startprob_, found.transmat_ = start["start"].copy(), start["trans"].copy()
            found.lambdas_ = start["rate"][:, None].copy()
            return found

        return _with_peers(ours("poisson_hmm", {"y": y}, start), peer, y[:, None], n)

    return go


class DawidSkene:
    """Dawid and Skene's EM as one would write it in NumPy: sums by `bincount`."""

    def __init__(
        self, item: Ints, annotator: Ints, label: Ints, prevalence: Floats, confusion: Floats
    ) -> None:
        self.item = item
        self.items = int(item.max()) + 1
        annotators, self.k = confusion.shape[:2]
        self.cell = annotator * self.k + label  # which annotator gave which label
        self.cells = annotators * self.k
        self.prevalence, self.confusion = prevalence, confusion

    def e_step(self) -> tuple[Floats, float]:
        logs = np.log(np.maximum(self.confusion, 1e-300)).transpose(1, 0, 2).reshape(self.k, -1)
        joint = np.stack(
            [
                np.log(self.prevalence[k])
                + np.bincount(self.item, weights=logs[k][self.cell], minlength=self.items)
                for k in range(self.k)
            ]
        )
        top = joint.max(axis=0)
        np.exp(joint - top, out=joint)
        total = joint.sum(axis=0)
        return joint / total, float((top + np.log(total)).sum())

    def step(self) -> None:
        posterior, _ = self.e_step()
        self.prevalence = posterior.mean(axis=1)
        counts = np.stack(
            [np.bincount(self.cell, weights=p[self.item], minlength=self.cells) for p in posterior]
        )
        counts = counts.reshape(self.k, -1, self.k).transpose(1, 0, 2)
        self.confusion = counts / counts.sum(axis=2, keepdims=True)


def dawid_skene(labels: int, annotators: int, items: int, k: int) -> Any:
    def go(scale: float) -> list[Contender]:
        rng = np.random.default_rng(8)
        n, most = int(labels * scale), int(items * scale)
        item = np.concatenate([np.arange(most), rng.integers(most, size=n - most)])
        annotator = rng.integers(annotators, size=n)
        confusion = 0.6 * np.eye(k) + 0.4 * rng.dirichlet(np.ones(k), (annotators, k))
        truth = rng.integers(k, size=most)[item]
        ends = np.cumsum(confusion[annotator, truth], axis=1)
        label = np.minimum((rng.random(n)[:, None] > ends).sum(axis=1), k - 1)
        start = {
            "prevalence": np.full(k, 1.0 / k),
            "confusion": np.tile(0.4 * np.eye(k) + 0.6 / k, (annotators, 1, 1)),
        }
        data = {"item": item, "annotator": annotator, "label": label}
        by_hand = DawidSkene(item, annotator, label, start["prevalence"], start["confusion"])
        peer = Contender("NumPy by hand", by_hand.step, lambda: by_hand.e_step()[1])
        return [Fit("dawid_skene", data, start).contender(), peer]

    return go


def _one(t: int) -> Callable[[float], Ints]:
    return lambda scale: np.array([int(t * scale)])


def _many(scale: float) -> Ints:
    return np.random.default_rng(9).integers(20, 201, size=int(2000 * scale))


DIAGONAL = "gaussian_hmm_diagonal"
WORKLOADS = [
    Workload("Gaussian HMM, T=1e5 K=8 D=4 (log: 25)", gaussian(DIAGONAL, _one(100_000), 8, 4), 5.0),
    Workload(
        "Gaussian HMM, 2000 of 20 to 200, K=5 D=2 (log: 50)", gaussian(RAGGED, _many, 5, 2), 12.0
    ),
    Workload(
        "Gaussian HMM, 2000 of 20 to 200, K=8 D=4 (log: 50)", gaussian(RAGGED, _many, 8, 4), 12.0, 2
    ),
    Workload("categorical HMM, T=2e5 K=16 V=64 (log: 50)", categorical(200_000, 16, 64), 5.0, 1),
    Workload("Poisson HMM, T=107 K=2", poisson(107, 2), None, 100, 7),
    Workload("Gaussian HMM, T=300 K=2 D=1", gaussian(DIAGONAL, _one(300), 2, 1), None, 100, 7),
    Workload("Gaussian HMM, T=2000 K=3 D=2", gaussian(DIAGONAL, _one(2000), 3, 2), None, 30, 7),
    Workload(
        "Dawid and Skene, 1e5 labels, 100 annotators, K=4", dawid_skene(100_000, 100, 20_000, 4)
    ),
]
