"""Simulate from known parameters, fit, and find them again within sampling error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emdsl.runtime.api import sample
from tests.gallery.models import ROOT, module

N = 5000


@dataclass(frozen=True, slots=True)
class Truth:
    """`labels` gives the axis or axes of the components; `tolerance` is relative to each array.

    `length` is that of each of the sequences, where their plate is ragged.
    """

    model: str
    params: Mapping[str, Any]
    labels: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    tolerance: float = 0.06
    length: int = 0


def mixture(model: str, tolerance: float = 0.06, **params: Any) -> Truth:
    """Components on the first axis of every parameter."""
    return Truth(model, params, dict.fromkeys(params, 0), {"K": len(params["weight"])}, tolerance)


def hidden(model: str, tolerance: float = 0.1, length: int = 0, **params: Any) -> Truth:
    """A hidden Markov model of two states, of one long sequence or of many of a length."""
    chain = {"start": [0.4, 0.6], "trans": [[0.8, 0.2], [0.3, 0.7]]}
    labels = {"start": 0, "trans": (0, 1), **dict.fromkeys(params, 0)}
    if not length:  # one sequence says nothing of how sequences start
        chain["start"] = [1, 0]
    return Truth(model, {**chain, **params}, labels, {"K": 2}, tolerance, length)


ANY = np.inf  # labels that switch in more than one way: only the likelihoods are compared
SYMBOLS = [[0.85, 0.1, 0.05], [0.05, 0.15, 0.8]]

TRUTHS = (
    hidden("hmm", length=20, emit=SYMBOLS, tolerance=0.15),
    hidden("normal_hmm", length=20, mean=[-2, 3], sd=[1, 2]),
    hidden("gaussian_hmm", length=20, mean=[[0, 0], [3, -2]], cov=[np.eye(2), 0.5 * np.eye(2)]),
    hidden("gaussian_hmm_diagonal", mean=[[0, 0], [3, -2]], var=[[1, 2], [0.5, 1]]),
    hidden("poisson_hmm", rate=[2, 9]),
    hidden("exponential_hmm", rate=[0.1, 5]),
    hidden("lognormal_hmm", mu=[-1, 2], sigma=[0.5, 1]),
    hidden("mixed_types_hmm", length=20, mean=[-1, 2], sd=[1, 1], prob=[0.2, 0.7]),
    Truth(
        "autoregressive_hmm",
        {
            "start": [1, 0],
            "trans": [[0.8, 0.2], [0.3, 0.7]],
            "mu": [-1, 2],
            "phi": [0.9, -0.3],
            "sd": [0.5, 0.5],
            "first": 1,
        },
        sizes={"K": 2},
        tolerance=ANY,  # one series says little of how series start
    ),
    Truth(
        "input_driven_hmm",
        {
            "start": [0.4, 0.6],
            "trans": [[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.7], [0.6, 0.4]]],
            "emit": [[0.8, 0.1, 0.1], [0.1, 0.2, 0.7]],
        },
        {"start": 0, "trans": (1, 2), "emit": 0},
        {"K": 2},
        0.15,
        20,
    ),
    Truth(
        "left_to_right_hmm",
        {"stay": [0.8, 0.9], "mean": [0, 3, 1], "sd": 0.7},
        length=20,
    ),
    Truth(
        "factorial_hmm",
        {
            "first": [0.5, 0.5],
            "heater": [0.1, 0.8],
            "fridge": [0.3, 0.6],
            "base": 10,
            "watts": [5, 2],
            "sd": 0.5,
        },
        tolerance=ANY,
    ),
    Truth(
        "mixture_of_hmms",
        {
            "weight": [0.4, 0.6],
            "start": [[0.8, 0.2], [0.5, 0.5]],
            "trans": [[[0.9, 0.1], [0.1, 0.9]], [[0.3, 0.7], [0.6, 0.4]]],
            "mean": [[-1, 1], [0, 3]],
            "sd": 0.5,
        },
        {},
        {"C": 2, "K": 2},
        ANY,
        20,
    ),
    Truth(
        "clickstream",
        {
            "weight": [0.4, 0.6],
            "start": [[0.8, 0.1, 0.1], [0.2, 0.2, 0.6]],
            "trans": [
                [[0.1, 0.7, 0.2], [0.1, 0.5, 0.4], [0.4, 0.4, 0.2]],
                [[0.1, 0.1, 0.8], [0.4, 0.2, 0.4], [0.7, 0.1, 0.2]],
            ],
        },
        {"weight": 0, "start": 0, "trans": 0},
        {"C": 2},
        0.15,
        20,
    ),
    Truth(
        "multilevel_latent_class",
        {
            "weight": [0.4, 0.6],
            "mix": [[0.85, 0.15], [0.3, 0.7]],
            "prob": [[[0.9, 0.1], [0.2, 0.8]]] * 5,
        },
        {},
        {"H": 2, "J": 5},
        ANY,
        20,
    ),
    Truth(
        "markov_chain",
        {"start": [0.4, 0.6], "trans": [[0.8, 0.2], [0.3, 0.7]]},
        length=20,
    ),
    mixture(
        "gaussian_mixture",
        weight=[0.3, 0.7],
        mean=[[0, 0], [3, -2]],
        cov=[[[1, 0.5], [0.5, 2]], [[0.5, -0.2], [-0.2, 0.3]]],
        tolerance=0.1,
    ),
    mixture(
        "gaussian_mixture_diagonal",
        weight=[0.3, 0.7],
        mean=[[0, 0, 5], [3, -2, 5]],
        var=[[1, 2, 3], [0.5, 0.5, 1]],
        tolerance=0.1,
    ),
    mixture("normal_mixture", weight=[0.4, 0.6], mean=[-2, 3], sd=[1, 2], tolerance=0.1),
    mixture(
        "bernoulli_mixture",
        weight=[0.4, 0.6],
        prob=[[0.9, 0.8, 0.7, 0.9, 0.1, 0.2], [0.1, 0.2, 0.3, 0.2, 0.9, 0.6]],
    ),
    mixture("poisson_mixture", weight=[0.4, 0.6], rate=[2, 15]),
    mixture("binomial_mixture", weight=[0.4, 0.6], prob=[0.2, 0.7]),
    mixture("geometric_mixture", weight=[0.5, 0.5], prob=[0.05, 0.7], tolerance=0.1),
    mixture("exponential_mixture", weight=[0.5, 0.5], rate=[0.1, 5], tolerance=0.1),
    mixture("lognormal_mixture", weight=[0.4, 0.6], mu=[-1, 2], sigma=[0.5, 1]),
    Truth(
        "gaussian_mixture_evi",
        {
            "weight": [0.4, 0.6],
            "mean": [[0, 0], [6, 1]],
            "volume": 1.5,
            "shape": [[2, 0.5], [0.25, 4]],
        },
        {"weight": 0, "mean": 0, "shape": 0},
        {"K": 2},
    ),
    Truth(
        "gaussian_mixture_vve",
        {
            "weight": [0.4, 0.6],
            "mean": [[0, 0], [9, 1]],
            "volume": [1, 4],
            "shape": [[0.5, 2], [0.25, 4]],
            "rotation": [[0.8, -0.6], [0.6, 0.8]],
        },
        {"weight": 0, "mean": 0, "volume": 0, "shape": 0},
        {"K": 2},
        ANY,  # the axes have neither order nor sign
    ),
    mixture("inverse_gaussian_mixture", weight=[0.4, 0.6], mean=[1, 9], shape=[9, 90]),
    mixture("rayleigh_mixture", weight=[0.5, 0.5], scale=[1, 9]),
    mixture("user_density", weight=[0.4, 0.6], s=[1, 9]),
    mixture("maxwell_mixture", weight=[0.4, 0.6], a=[1, 9]),
    mixture("borel_outbreaks", weight=[0.5, 0.5], r=[0.1, 0.9], tolerance=0.1),
    mixture(
        "mixed_types",
        weight=[0.4, 0.6],
        mean=[0, 3],
        sd=[1, 1],
        rate=[2, 8],
        children=[[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]],
    ),
    mixture(
        "mixture_of_regressions",
        weight=[0.4, 0.6],
        beta=[[1, 2], [-3, -1]],
        sd=[0.5, 1],
    ),
    Truth(
        "latent_class",
        {
            "weight": [0.4, 0.6],
            "prob": [[[0.8, 0.1, 0.1], [0.1, 0.2, 0.7]]] * 5,  # item, class, value
        },
        {"weight": 0, "prob": 1},
        {"J": 5},
    ),
    Truth("linear_regression", {"intercept": 4, "beta": [1, -2], "sd": 0.5}),
    Truth("zero_inflated_poisson", {"p": 0.7, "rate": 3}),
    Truth("normal_uniform_noise", {"clean": 0.9, "mean": 10, "sd": 5}),
    Truth("linkage", {"t": 0.6}),
    Truth("abo", {"allele": [0.2, 0.1, 0.7]}),
    Truth(
        "random_slopes",
        {"beta": [3, -1], "cov": [[2, 0.5], [0.5, 1]], "sigma": 0.5},
        tolerance=0.1,
    ),
    Truth("random_intercept", {"beta": [3, -1], "tau": 2, "sigma": 0.5}),
    Truth("variance_components", {"mean": 3, "tau": 2, "sigma": 0.5}, tolerance=0.1),
    Truth("restricted_likelihood", {"tau": 2, "sigma": 0.5}, tolerance=0.1),
    Truth(
        "errors_in_variables",
        {"intercept": 20, "slope": 0.7, "mean": 50, "spread": 15, "sd": 4},
        tolerance=0.15,
    ),
    Truth(
        "factor_analysis",  # factors have neither order, sign nor axes
        {"loading": [[1.5], [-1], [0.8], [1]], "bias": [1, 2, 3, 4], "noise": [0.5, 1, 1, 0.7]},
        sizes={"L": 1},
        tolerance=ANY,
    ),
    Truth(
        "probabilistic_pca",
        {"loading": [[2], [1], [-1]], "mean": [1, 2, 3], "noise": 0.5},
        sizes={"L": 1},
        tolerance=ANY,
    ),
    Truth("local_level", {"first": 3, "move": 0.5, "sd": 1}, tolerance=ANY),
    Truth(
        "dynamic_factor",  # the factor has no sign
        {"mean": [1, 2, 3], "loading": [1, -0.5, 0.8], "sd": [0.5, 0.7, 0.6], "phi": 0.8},
        tolerance=ANY,
    ),
    Truth("student_t", {"mu": 2, "s2": 4, "nu": 4}, tolerance=0.15),
    Truth("multivariate_t", {"mean": [1, 2], "scale": [[1, 0.3], [0.3, 2]]}, tolerance=0.1),
    Truth("latent_probabilities", {"a": 2, "b": 3}, tolerance=0.1),
    Truth("accident_proneness", {"a": 2, "b": 0.5}, tolerance=0.1),
    Truth("zero_inflated_rates", {"p": 0.7, "a": 3, "b": 0.3}, tolerance=0.15),
    Truth(
        "t_mixture_scales",
        {"weight": [0.4, 0.6], "loc": [-5, 5], "s2": [1, 4]},
        {"weight": 0, "loc": 0, "s2": 0},
        {"K": 2},
        0.1,
    ),
    Truth(
        "mixture_of_factor_analysers",
        {
            "weight": [0.4, 0.6],
            "mean": [[0, 0, 0, 0], [5, -5, 5, 0]],
            "loading": [[[1], [1], [-1], [1]], [[-1], [0.5], [1], [1]]],
            "noise": [0.5, 0.5, 0.4, 0.3],
        },
        sizes={"K": 2, "L": 1},
        tolerance=ANY,
    ),
    Truth(
        "mixture_of_random_intercepts",
        {"weight": [0.4, 0.6], "mean": [0, 9], "beta": 1, "tau": 1, "sigma": 0.5},
        {"weight": 0, "mean": 0},
        {"K": 2},
        0.15,
    ),
    Truth(
        "t_hmm",
        {"start": [1, 0], "trans": [[0.8, 0.2], [0.3, 0.7]], "loc": [0, 6], "s2": [1, 4], "nu": 4},
        {"start": 0, "trans": (0, 1), "loc": 0, "s2": 0},
        {"K": 2},
        ANY,
    ),
    Truth("normal", {"mean": 2, "sd": 3}),
    Truth("multivariate_normal", {"mean": [1, 2], "cov": [[1, 0.3], [0.3, 2]]}, tolerance=0.1),
)


def covariates(model: str) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(3)
    groups = np.arange(N) // 10
    match model:
        case "random_slopes" | "random_intercept":
            return {"group": groups, "u": np.column_stack([np.ones(N), rng.normal(size=N)])}
        case "variance_components" | "restricted_likelihood":
            return {"group": groups}
        case "mixture_of_random_intercepts":
            return {"group": groups, "u": rng.normal(size=N)}
    if model == "linear_regression":
        return {"u": rng.normal(size=(N, 2))}
    if model == "input_driven_hmm":
        return {"u": rng.integers(2, size=(N // 20, 20))}
    if model == "mixture_of_regressions":
        return {"u": np.column_stack([np.ones(N), rng.normal(size=N)])}
    return {}


def arranged(params: Mapping[str, Any], truth: Truth, order: tuple[int, ...]) -> dict[str, Any]:
    result = dict(params)
    for name, labelled in truth.labels.items():
        for axis in (labelled,) if isinstance(labelled, int) else labelled:
            result[name] = np.take(result[name], order, axis=axis)
    return result


def error(params: Mapping[str, Any], true: Mapping[str, Any]) -> float:
    """The largest error, relative to the largest entry of its array."""
    return max(
        float(np.max(np.abs(params[name] - value)) / np.max(np.abs(value)))
        for name, value in true.items()
    )


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.model)
def test_simulate_fit_recover(truth: Truth) -> None:
    program = module(ROOT / "models" / f"{truth.model}.em")
    true = {name: np.asarray(value, dtype=float) for name, value in truth.params.items()}
    inputs = covariates(truth.model)
    meta = program.PROGRAM.meta
    plate = next(s.name for s in meta.sizes if s.role == "plate")
    rows = N // 5 if truth.model == "factorial_hmm" else N  # a step is four by four states
    given = {**truth.sizes, plate: rows // truth.length if truth.length else rows}
    lengths = truth.length if truth.length and not inputs else None
    drawn = sample(program.PROGRAM, true, given, seed=5, inputs=inputs, lengths=lengths)
    observed = {a.name: drawn[a.name] for a in meta.arrays if a.role == "data"}
    weights = {a.name: np.ones(rows) for a in meta.arrays if a.role == "weight"}
    data = {**inputs, **weights, **observed}
    hyper = {size.name for size in meta.sizes if size.role == "hyper"}
    chosen = {n: s for n, s in truth.sizes.items() if n in hyper}
    result = program.fit(data, **chosen, seed=0, restarts=5, progress=False)
    assert result.log_likelihood >= program.log_likelihood(data, true)
    count = 2 if truth.labels else 1
    orders = permutations(range(count))
    assert min(error(arranged(result.params, truth, o), true) for o in orders) < truth.tolerance


def test_labels_that_are_known_are_kept() -> None:
    """Half the labels of a semi-supervised fit fix the order of the classes."""
    program = module(ROOT / "models" / "semi_supervised_naive_bayes.em")
    true = {
        "weight": np.array([0.3, 0.7]),
        "mean": np.array([[2.0, 0.0], [0.0, 1.0]]),
        "sd": np.ones((2, 2)),
    }
    drawn = sample(program.PROGRAM, true, {"N": N}, seed=5)
    z = drawn["z"].astype(float)
    z[::2] = np.nan
    result = program.fit({"x": drawn["x"], "z": z}, restarts=3, progress=False)
    for name, value in true.items():
        np.testing.assert_allclose(result.params[name], value, atol=0.1, err_msg=name)


def test_missing_cells_drop_out() -> None:
    """A third of the cells of a diagonal mixture may be missing: its parameters are found still."""
    program = module(ROOT / "models" / "gaussian_mixture_diagonal.em")
    truth = next(t for t in TRUTHS if t.model == "gaussian_mixture_diagonal")
    true = {name: np.asarray(value, dtype=float) for name, value in truth.params.items()}
    x = sample(program.PROGRAM, true, {"N": N}, seed=5)["x"]
    x[np.random.default_rng(6).random(x.shape) < 1 / 3] = np.nan
    result = program.fit({"x": x}, K=2, restarts=5, progress=False)
    orders = permutations(range(2))
    assert min(error(arranged(result.params, truth, o), true) for o in orders) < 0.15
