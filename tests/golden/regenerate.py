"""Writes the golden modules anew: `python -m tests.golden.regenerate`. Read the diff then."""

from __future__ import annotations

from pathlib import Path

from emdsl.compiler import compile_source
from emdsl.source import Source

HERE = Path(__file__).resolve().parent
MODELS = HERE.parents[1] / "models"
NAMES = (
    "gaussian_mixture",  # matrices, pivots, whole rows missing
    "abo",  # two latents of one element, a table that rules out
    "mixture_of_mixtures",  # one latent eliminated after another
    "mixture_of_regressions",  # a linear system for each component
    "bernoulli_mixture_map",  # priors
    "semi_supervised_naive_bayes",  # data that are latent where missing
    "user_density",  # a density of the file's own
    "gamma_mixture",  # Newton's method on statistics, what is profiled put in
    "mixture_of_experts",  # a softmax of data and parameters, evaluated row by row
    "weibull_mixture",  # sums over rows with the posterior of each component
)


def generated(name: str) -> str:
    """The module that a gallery model compiles to now."""
    path = MODELS / f"{name}.em"
    return compile_source(Source(path.read_text(encoding="utf-8"), str(path))).module


if __name__ == "__main__":
    for name in NAMES:
        (HERE / f"{name}.py").write_text(generated(name), encoding="utf-8")
