"""Reference cases of continuous latents: factors, effects of groups, chains, and latent scales."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.reference.case import Answer, Case, Data, Params, array
from tests.reference.glms import stackloss
from tests.reference.tables import column, matrix

# --- factors -----------------------------------------------------------------------------------


def implied(params: Params) -> Params:
    """What is determined of factors: not their rotation, but the covariance of the data."""
    if "cov" in params:
        return params
    load, noise = params["loading"], params["noise"]
    cov = load @ load.T + noise * np.eye(len(load))
    return {"mean": params["bias"] if "bias" in params else params["mean"], "cov": cov}


def factors(
    case: str, table: str, heads: tuple[str, ...], model: str, K: int, n: int, **options: Any
) -> Case:
    return Case(
        case,
        model,
        lambda: {"x": matrix(table, *heads)},
        lambda r: {"mean": array(r["mean"]), "cov": array(r["implied_cov"])},
        sizes={"L": K},
        view=implied,
        known=False,
        free=n,
        **options,
    )


MEASURES = ("sl", "sw", "pl", "pw")
NOTES = ("Length", "Left", "Right", "Bottom", "Top", "Diagonal")


def analysers(params: Params) -> Params:
    return {"weight": params["weight"], "mean": params["mean"]}


FACTORS = (
    factors("holzinger_fa1", "holzinger", (), "factor_analysis", 1, 27),
    # of 45 parameters, three turn the factors into each other
    factors("holzinger_fa3", "holzinger", (), "factor_analysis", 3, 45),
    # a Heywood case: at the supremum one noise variance is zero
    factors("iris_fa1", "iris", MEASURES, "factor_analysis", 1, 12),
    factors("iris_ppca1", "iris", MEASURES, "probabilistic_pca", 1, 9),
    Case(
        "banknote_mfa2_q1_commonpsi",
        "mixture_of_factor_analysers",
        lambda: {"x": matrix("banknote", *NOTES)},
        lambda r: {"weight": array(r["weights"]), "mean": array(r["means"])},
        labels={"weight": 0, "mean": 0},
        sizes={"K": 2, "L": 1},
        view=analysers,
        known=False,
        restarts=10,
    ),
)

# --- effects of groups -------------------------------------------------------------------------


# A `positive` isn't zero. This is, as far as a log likelihood to 1e-6 can tell.
NEARLY_ZERO = 1e-3


def grouped(table: str, group: str, y: str) -> Data:
    return {"y": column(table, y), "group": column(table, group).astype(int)}


def components(case: str, table: str, group: str, y: str, scale: str, **options: Any) -> Case:
    return Case(
        case,
        "variance_components",
        partial(grouped, table, group, y),
        lambda r: {
            "mean": array(r["fixed"])[0],
            "tau": np.maximum(r[scale], NEARLY_ZERO),
            "sigma": array(r["sd_resid"]),
        },
        **options,
    )


def nights() -> Data:
    return {
        "y": column("sleepstudy", "reaction"),
        "group": column("sleepstudy", "subject").astype(int),
        "u": matrix("sleepstudy", "one", "days"),
    }


def plates() -> Data:
    heads = {"plate": "plate", "sample": "sample"}
    groups = {name: column("penicillin", head).astype(int) for name, head in heads.items()}
    return {"y": column("penicillin", "diameter"), **groups}


def trials() -> Data:
    """Log odds ratios and their standard errors."""
    return {"y": column("bcg", "y"), "se": np.sqrt(column("bcg", "var"))}


EFFECTS = (
    components("dyestuff_ri", "dyestuff", "batch", "yield", "sd_batch"),
    components("rail_ri", "rail", "rail", "travel", "sd_rail"),
    Case(
        "sleepstudy_ri",
        "random_intercept",
        nights,
        lambda r: {
            "beta": array(r["fixed"]),
            "tau": array(r["sd_subject"]),
            "sigma": array(r["sd_resid"]),
        },
    ),
    Case(
        "sleepstudy_ris",
        "random_slopes",
        nights,
        lambda r: {
            "beta": array(r["fixed"]),
            "cov": array(r["cov_random"]),
            "sigma": array(r["sd_resid"]),
        },
    ),
    Case(
        "penicillin_crossed",
        "crossed_effects",
        plates,
        lambda r: {
            "mean": array(r["fixed"])[0],
            "plates": array(r["sd_plate"]),
            "samples": array(r["sd_sample"]),
            "assays": array(r["sd_resid"]),
        },
    ),
    Case(
        "bcg_meta",
        "eight_schools",
        trials,
        lambda r: {"mean": array(r["mu"]), "tau": np.sqrt(r["tau2"])},
    ),
)

# --- at the edge: EM nears what is zero at the maximum in proportion to the step count ----------


def without_scale(name: str) -> Callable[[Params], Params]:
    return lambda params: {k: v for k, v in params.items() if k != name}


EDGES = (
    components(
        "dyestuff2_ri", "dyestuff2", "batch", "yield", "sd_batch",
        view=without_scale("tau"),
        atol=1e-3,
    ),
    Case(
        "eight_schools",
        "eight_schools",
        lambda: {head: column("eight_schools", head) for head in ("y", "se")},
        lambda r: {"mean": array(r["mu"]), "tau": np.array(NEARLY_ZERO)},
        view=without_scale("tau"),
        atol=5e-2,
    ),
)  # fmt: skip

# --- chains: the same model of the Nile from four starts ---------------------------------------


def flow() -> Data:
    return {"y": column("nile", "flow")}


def flow_after_the_first() -> Data:
    """The first value is what the level starts around, and no datum."""
    y = flow()["y"]
    return {"y": np.concatenate([[np.nan], y[1:]]), "first": y[0]}


PRIOR = """
model PriorOfTheStart
param move, sd : positive
for t in T:
    latent level[t] ~ Normal(0, var = 1e7) if t == 0 else Normal(level[t-1], move)
    data   y[t]     ~ Normal(level[t], sd)
"""

FIRST_LEVEL = """
model UnknownFirstLevel
param first    : real
param move, sd : positive
for t in T:
    latent level[t] ~ Normal(first, move) if t < 2 else Normal(level[t-1], move)
    data   y[t]     ~ Normal(first, sd) if t == 0 else Normal(level[t], sd)
"""

DIFFUSE = """
model DiffuseStart
const first    : real
param move, sd : positive
for t in T:
    latent level[t] ~ Normal(first, sd) if t == 0 else Normal(level[t-1], move)
    data   y[t]     ~ Normal(level[t], sd)
"""


def spreads(r: Answer) -> Params:
    return {"move": np.sqrt(r["var_state"]), "sd": np.sqrt(r["var_obs"])}


CHAINS = (
    Case("nile_level_prior1e7", PRIOR, flow, spreads),
    Case(
        "nile_level_fixedx0",
        "local_level",
        flow,
        lambda r: {**spreads(r), "first": array(r["x0"])},
    ),
    Case(
        "nile_level_fixedx1",
        FIRST_LEVEL,
        flow,
        lambda r: {**spreads(r), "first": array(r["x1"])},
    ),
    # given y[0], the level there is normal about it with the variance of the noise
    Case("nile_level_diffuse", DIFFUSE, flow_after_the_first, spreads),
)

# --- scales, rates and chances of each row -----------------------------------------------------

T_SCALES = """
model TErrorsByScales
const nu        : positive
param intercept : real
param beta      : real[P]
param s2        : positive
for n in N:
    input  u[n] : real[P]
    latent w[n] ~ Gamma(nu / 2, nu / 2)
    data   y[n] ~ Normal(intercept + dot(beta, u[n]), var = s2 / w[n])
"""


def lines(r: Answer) -> Params:
    return {
        "intercept": array(r["coef"])[0],
        "beta": array(r["coef"])[1:],
        "s2": array(r["scale"]) ** 2,
    }


def t_errors(nu: int) -> Case:
    return Case(
        f"stackloss_t_nu{nu}",
        T_SCALES,
        lambda: {**stackloss(), "nu": np.array(float(nu))},
        lines,
    )


SCALES = (
    t_errors(1),
    t_errors(4),
    Case(
        "stackloss_t_free",
        "robust_regression_scales",
        stackloss,
        lambda r: {**lines(r), "nu": array(r["nu"])},
    ),
    Case(
        "newcomb_t",
        "student_t",
        lambda: {"x": column("newcomb", "x")},
        lambda r: {"mu": array(r["loc"]), "s2": array(r["scale"]) ** 2, "nu": array(r["nu"])},
    ),
    Case(
        "stackloss_mvt5",
        "multivariate_t",
        lambda: {"x": matrix("stackloss")},
        lambda r: {"mean": array(r["mean"]), "scale": array(r["scale_matrix"])},
    ),
    Case(
        "waiting_tmix2_nu4",
        "t_mixture_scales",
        lambda: {"x": column("faithful", "waiting")},
        lambda r: {
            "weight": array(r["weights"]),
            "loc": array(r["locs"]),
            "s2": array(r["scales"]) ** 2,
        },
        labels={"weight": 0, "loc": 0, "s2": 0},
    ),
    Case(
        "thyrion_accidents_negbin",
        "accident_proneness",
        lambda: {
            "y": column("thyrion_accidents", "accidents"),
            "freq": column("thyrion_accidents", "freq"),
        },
        lambda r: {"a": array(r["shape_k"]), "b": array(r["gamma_rate"])},
    ),
    Case(
        "pumps_gamma_poisson",
        "latent_rates",
        lambda: {head: column("pumps", head) for head in ("failures", "time")},
        lambda r: {"a": array(r["shape"]), "b": array(r["rate"])},
    ),
    Case(
        "saxony_betabinomial",
        "latent_probabilities",
        lambda: {"y": column("saxony", "males"), "freq": column("saxony", "families")},
        lambda r: {"a": array(r["alpha"]), "b": array(r["beta"])},
    ),
)

CONTINUOUS = (*FACTORS, *EFFECTS, *EDGES, *CHAINS, *SCALES)
