"""What makes up for moving a covariate: the joint density is the same, and what can't is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emdsl.compiler import derived_of, load
from emdsl.derive.translations import Absorbed, Move, Translation, translations_of
from emdsl.runtime.centred import Centred, Moved
from emdsl.runtime.params import neutral_params
from emdsl.source import Source

GALLERY = (
    "autoregressive_hmm",
    "binomial_regression",
    "gamma_regression",
    "heteroscedastic_regression",
    "hierarchical_experts",
    "input_output_hmm",
    "latent_class_regression",
    "missing_covariates",
    "mixture_of_experts",
    "mixture_of_random_intercepts",
    "mixture_of_regressions",
    "negative_binomial_regression",
    "ordered_probit",
    "poisson_experts",
    "poisson_exposure",
    "probit_regression",
    "random_intercept",
    "robust_regression_scales",
    "softmax_regression",
    "switching_regression",
    "tobit",
    "weibull_survival",
    "zero_inflated_negative_binomial",
)
OF_ROLE = {"plate": 6, "hyper": 3, "data": 3, "ragged": 6}
ONES = 2.0  # what stands in a column that is the same everywhere


def derived(body: str) -> dict[str, Translation]:
    found, _ = derived_of(Source(f"model M(K = 2)\n{body}\n", "m.em"))
    return {t.array: t for t in translations_of(found.derivation.derived.joint)}


def regression(predictor: str, *params: str) -> Translation:
    text = "".join(f"param {p}\n" for p in params)
    inputs = "    input u[n] : real\n    input v[n] : real\n    input g[n] : category[G]\n"
    at = f"    data y[n] : count ~ Poisson(log = {predictor})"
    return derived(f"{text}for n in N:\n{inputs}{at}")["u"]


def drawn(m: Any, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Data of a model with one of each size, and the parameters that they are drawn with."""
    meta = m.META
    sizes = {s.name: s.default or OF_ROLE[s.role] for s in meta.sizes}
    params = dict(neutral_params(meta, sizes))
    for name, value in params.items():
        if meta.param(name).kind == "real":
            params[name] = value + 0.3 * rng.normal(size=value.shape)
        elif meta.param(name).kind == "simplex":
            params[name] = rng.dirichlet(np.ones(value.shape[-1]), value.shape[:-1])
    inputs: dict[str, Any] = {}
    for a in meta.arrays:
        if a.role != "data":
            shape = tuple(sizes[d] if isinstance(d, str) else d for d in a.dims)
            top = sizes[a.values] if isinstance(a.values, str) else a.values
            low, high = {"count": (1, 5), "bool": (0, 2)}.get(a.kind, (0, top or 0))
            real = a.kind in ("real", "positive")
            inputs[a.name] = rng.random(shape) + 0.5 if real else rng.integers(low, high, shape)
    plates = {s.name: sizes[s.name] for s in meta.sizes if s.role in ("plate", "ragged")}
    found = m.sample(params, plates, inputs=inputs, seed=1)
    known = {a.name for a in meta.arrays}
    return {**inputs, **{k: v for k, v in found.items() if k in known}}, params


def apart(array: Any, x: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """A constant for every entry of one element of an array."""
    rank = len(array.dims) - array.plates
    return np.asarray(rng.normal(size=x.shape[x.ndim - rank :]))


def unmoved(m: Any, by: Translation) -> None:
    """The log likelihood is the same of an array less a constant."""
    rng = np.random.default_rng(7)
    data, params = drawn(m, rng)
    x = np.array(data[by.array], dtype=float)
    c = apart(m.META.array(by.array), x, rng)
    if by.own:
        x[..., 1], c[1] = ONES, 0.0
    data[by.array] = x
    off = Centred((Moved(by, c, 1 if by.own else -1, ONES if by.own else 1.0, False),))  # type: ignore[arg-type]
    before = m.log_likelihood(data, params)
    less = {**data, by.array: x - c}
    inner = off.inward(params)
    assert m.log_likelihood(less, inner) == pytest.approx(before, rel=1e-13)
    assert m.log_likelihood(less, params) != pytest.approx(before, rel=1e-9)
    for name, value in off.outward(inner).items():
        np.testing.assert_allclose(value, params[name], rtol=1e-14, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("name", GALLERY)
def test_the_joint_is_the_same(name: str, models: Path) -> None:
    m = load(models / f"{name}.em")
    found = [t for t in m.META.translations if t.absorbed or t.own]
    assert found
    for by in found:
        unmoved(m, by)


def test_the_joint_is_the_same_of_interactions_and_places() -> None:
    m = load(
        Source(
            "model M(K = 2)\nparam w : simplex[K]\nparam a[K], b, d, e : real\n"
            "param c[K] : real[2]\n"
            "for n in N:\n    input u[n] : real\n    input v[n] : real[2]\n"
            "    latent z[n] ~ Categorical(w)\n"
            "    data y[n] : count ~ Poisson(log = a[z[n]] + b * u[n] - e * u[n]^2 "
            "+ c[z[n]][0] * v[n, 0] + d * c[z[n]][1] * v[n, 1])\n",
            "m.em",
        )
    )
    assert [t.array for t in m.META.translations] == ["u", "v"]
    for by in m.META.translations:
        unmoved(m, by)


def test_an_intercept_takes_up_what_multiplies_the_constant() -> None:
    assert regression("a + b * u[n]", "a, b : real") == Translation(
        "u", (Absorbed("a", (), (Move(1.0, (("b", ()),), ()),)),)
    )
    assert regression("a[g[n]] - 2 * b[g[n]] * u[n]", "a[G], b[G] : real") == Translation(
        "u", (Absorbed("a", ("a",), (Move(-2.0, (("b", ("a",)),), ()),)),)
    )
    assert regression("a + u[n] + b * (v[n] - 3 * u[n])", "a, b : real").absorbed == (
        Absorbed("a", (), (Move(-3.0, (("b", ()),), ()), Move(1.0, (), ()))),
    )
    assert regression(
        "a + b * u[n] + c * v[n] + d * u[n] * v[n]", "a, b, c, d : real"
    ).absorbed == (
        Absorbed("a", (), (Move(1.0, (("b", ()),), ()),)),
        Absorbed("c", (), (Move(1.0, (("d", ()),), ()),)),
    )


@pytest.mark.parametrize(
    ("predictor", "params", "why"),
    [
        ("b * u[n]", "b : real", "b has no intercept beside it that is free to make up for it"),
        (
            "a + b[g[n]] * u[n]",
            "a : real\nparam b[G] : real",
            "b has no intercept beside it that is free to make up for it",
        ),
        (
            "a + b * u[n] + exp(a)",
            "a, b : real",
            "b has no intercept beside it that is free to make up for it",
        ),
        ("a * b + b * u[n]", "a, b : real",
         "b has no intercept beside it that is free to make up for it"),
        ("a + b * u[n]", "b : real\nparam a : real ~ Normal(0, 1)",
         "a has a prior, which is about a place"),
        ("a + b * u[n] + exp(b * u[n])", "a, b : real",
         "b has no intercept beside it that is free to make up for it"),
        ("a + b * log(u[n]^2 + 1) + b * u[n]", "a, b : real",
         "it stands elsewhere than beside an intercept, too"),
        ("a + b * u[n]^2", "a, b : real",
         "b has no intercept beside it that is free to make up for it"),
    ],
)  # fmt: skip
def test_why_not(predictor: str, params: str, why: str) -> None:
    assert regression(predictor, params) == Translation("u", why=why)


def test_one_parameter_cannot_make_up_for_two_sums() -> None:
    body = (
        "param a, b, c : real\nfor n in N:\n    input u[n] : real\n"
        "    data x[n] ~ StudentT(4, a + b * u[n], 1)\n"
        "    data y[n] ~ StudentT(4, a + {} * u[n], 1)"
    )
    assert derived(body.format("c"))["u"].why
    assert derived(body.replace("a, b, c", "a, b").format("b"))["u"].absorbed
    assert derived(body.replace("a, b, c", "a, b").replace("a + {} * u[n]", "a"))["u"].why
