"""Another way to write the same model has another update, and the same maximum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import emdsl
from emdsl.source import Source
from tests.gallery.models import ROOT, data, module, sizes

Params = dict[str, Any]


def renamed(new: str, change: Callable[[Any], Any], old: str) -> Callable[[Params], Params]:
    """The old parameter as a function of the new one."""

    def back(params: Params) -> Params:
        rest = {name: value for name, value in params.items() if name != new}
        return {**rest, old: change(params[new])}

    return back


def same(params: Params) -> Params:
    return params


# what changes: the model, what is replaced by what, and the old parameters from the new
REWRITINGS: dict[str, tuple[str, tuple[tuple[str, str], ...], Callable[[Params], Params]]] = {
    "exponential by its scale": (
        "exponential_mixture",
        (("rate[K]", "mean[K]"), ("Exponential(rate[", "Exponential(scale = mean[")),
        renamed("mean", np.reciprocal, "rate"),
    ),
    "normal by its variance": (
        "normal_mixture",
        (("sd[K]  ", "var[K]  "), ("sd[z", "var = var[z")),
        renamed("var", np.sqrt, "sd"),
    ),
    "normal by its precision": (
        "normal_mixture",
        (("sd[K]  ", "tau[K]  "), ("sd[z", "precision = tau[z")),
        renamed("tau", lambda tau: 1 / np.sqrt(tau), "sd"),
    ),
    "normal by the log of its variance": (
        "normal_mixture",
        (("sd[K]   : positive", "h[K] : real"), ("sd[z[n]]", "var = exp(h[z[n]])")),
        renamed("h", lambda h: np.exp(h / 2), "sd"),
    ),
    "normal from a density of one's own": (
        "normal_mixture",
        (
            (
                "model NormalMixture",
                (
                    "density Gauss(x : real; m : real, s : positive) = "
                    "exp(-(x - m)^2 / (2 * s^2)) / (s * 2.5066282746310002)\nmodel NormalMixture"
                ),
            ),
            ("~ Normal(", "~ Gauss("),
        ),
        same,
    ),
    "multivariate normal by its precision": (
        "gaussian_mixture",
        (("cov[K]", "P[K]"), ("cov[z", "precision = P[z")),
        renamed("P", np.linalg.inv, "cov"),
    ),
    "diagonal covariance as a matrix": (
        "gaussian_mixture_diagonal",
        (("~ Normal(mean[z[n]], var = var[z[n]])", "~ MvNormal(mean[z[n]], diag(var[z[n]]))"),),
        same,
    ),
    "shared diagonal covariance as a matrix": (
        "gaussian_mixture_tied_diagonal",
        (("~ Normal(mean[z[n]], var = var)", "~ MvNormal(mean[z[n]], diag(var))"),),
        same,
    ),
    "spherical covariance as a matrix": (
        "gaussian_mixture_spherical",
        (("~ Normal(mean[z[n]], var = var[z[n]])", "~ MvNormal(mean[z[n]], var[z[n]] * eye[D])"),),
        same,
    ),
    "coordinates in a plate": (
        "gaussian_mixture_diagonal",
        (
            (
                "    data   x[n] : real[D] ~ Normal(mean[z[n]], var = var[z[n]])",
                "    for d in D:\n        data x[n, d] ~ Normal(mean[z[n], d], var = var[z[n], d])",
            ),
            ("mean[K] : real[D]", "mean[K, D] : real"),
            ("var[K]  : positive[D]", "var[K, D] : positive"),
        ),
        same,
    ),
    "a mixture by its odds": (
        "bernoulli_mixture",
        (
            ("prob[K] : unit[D]", "odds[K] : positive[D]"),
            ("prob[z[n]]", "odds[z[n]] / (1 + odds[z[n]])"),
        ),
        renamed("odds", lambda o: o / (1 + o), "prob"),
    ),
    "Poisson by the log of its rate": (
        "poisson_mixture",
        (("rate[K] : positive", "h[K] : real"), ("Poisson(rate", "Poisson(log = h")),
        renamed("h", np.exp, "rate"),
    ),
    "a Poisson of a product": (
        "poisson_mixture",
        (("Poisson(rate[z[n]])", "Poisson(7 * rate[z[n]])"),),
        renamed("rate", lambda rate: 7 * rate, "rate"),
    ),
    "a case with three arms": (
        "normal_mixture",
        (
            (
                "Normal(mean[z[n]], sd[z[n]])",
                "case z[n]:\n        0: Normal(mean[0], sd[0])\n        1: Normal(mean[1], sd[1])",
            ),
            ("NormalMixture(K = 2)", "NormalMixture"),
            ("simplex[K]", "simplex[2]"),
            ("mean[K]", "mean[2]"),
            ("sd[K]", "sd[2]"),
        ),
        same,
    ),
    "a latent that only relabels": (
        "linkage",
        (
            (
                "Categorical([1/2, t/4, (1-t)/4, (1-t)/4, t/4])",
                "Categorical([2/4, 0.25 * t, (1-t)/4, 1/4 - t/4, t/4])",
            ),
        ),
        same,
    ),
    "the weight of one component, alone": (
        "normal_uniform_noise",
        (
            ("~ Bernoulli(clean)", "~ Categorical([1 - clean, clean])"),
            ("if good[n] else", "if good[n] == 1 else"),
        ),
        same,
    ),
    "named in between": (
        "linear_regression",
        (
            (
                "    data  y[n] ~ Normal(intercept + dot(beta, u[n]), sd)",
                "    let m[n] = intercept + dot(beta, u[n])\n    data  y[n] ~ Normal(m[n], sd)",
            ),
        ),
        same,
    ),
}


@pytest.mark.parametrize("case", REWRITINGS, ids=str)
def test_has_the_same_maximum(case: str) -> None:
    name, changes, back = REWRITINGS[case]
    path = ROOT / "models" / f"{name}.em"
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    arrays, options = data(path), {"restarts": 4, "tol": 1e-13, "max_iter": 5000, "progress": False}
    rewritten = emdsl.load(Source(text, path.name))
    chosen = {k: v for k, v in sizes(path).items() if f"{k} = " in text}
    first = module(path).fit(arrays, **sizes(path), **options)
    other = rewritten.fit(arrays, **chosen, **options)
    assert other.log_likelihood == pytest.approx(first.log_likelihood, rel=1e-9)
    params = back(other.params)
    again = module(path).log_likelihood(arrays, params)
    assert again == pytest.approx(first.log_likelihood, rel=1e-9)
