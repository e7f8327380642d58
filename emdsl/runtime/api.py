"""The public functions a generated module calls, each with its own program as first argument."""

from emdsl.runtime.fitting import fit, init_params
from emdsl.runtime.impute import impute
from emdsl.runtime.latents import (
    filtered,
    most_probable,
    posterior,
    posterior_pairs,
    predict,
    sample_posterior,
)
from emdsl.runtime.moments import posterior_moments
from emdsl.runtime.persist import load
from emdsl.runtime.queries import e_step, log_likelihood, row_log_likelihood, sample

__all__ = [
    "e_step",
    "filtered",
    "fit",
    "impute",
    "init_params",
    "load",
    "log_likelihood",
    "most_probable",
    "posterior",
    "posterior_moments",
    "posterior_pairs",
    "predict",
    "row_log_likelihood",
    "sample",
    "sample_posterior",
]
