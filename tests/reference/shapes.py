"""Reference cases of shapes, concentrations and degrees of freedom, and what needs a few lines."""

from __future__ import annotations

import numpy as np

from tests.reference.case import Answer, Case, Data, Params, array
from tests.reference.tables import column, matrix


def gammas(head: str) -> Case:
    return Case(
        f"{head}_gammamix2",
        "gamma_mixture",
        lambda: {"x": column("faithful", head)},
        lambda r: {
            "weight": array(r["weights"]),
            "shape": array(r["shapes"]),
            "rate": 1 / array(r["scales"]),
        },
        labels={"weight": 0, "shape": 0, "rate": 0},
    )


def deaths() -> Data:
    time = column("lung", "time")
    return {"time": time, "watched": time, "died": column("lung", "event")}


LIFETIMES = """
model Lifetimes
param shape, scale : positive
for n in N:
    input watched[n] : positive
    data  time[n] ~ Censored(Weibull(shape, scale), upper = watched[n])
"""


def watched() -> Data:
    """How long the survivors were watched; of the others it isn't known."""
    time, died = column("lung", "time"), column("lung", "event")
    return {"time": time, "watched": np.where(died == 1, np.nan, time)}


AS_INTERVALS = """
model Intervals
param shape, scale : positive
for n in N:
    data time[n] ~ Interval(Weibull(shape, scale))
"""


def intervals() -> Data:
    """The same as intervals: of survivors with an open end."""
    time, died = column("lung", "time"), column("lung", "event")
    return {"time": np.stack([time, np.where(died == 1, time, np.inf)], axis=-1)}


def lifetimes_of(r: Answer) -> Params:
    return {"shape": array(r["shape"]), "scale": array(r["scale"])}


def survival_of(r: Answer) -> Params:
    return {
        "intercept": array(r["coef"])[0],
        "beta": array(r["coef"])[1:],
        "shape": 1 / array(r["survreg_scale"]),
    }


def tobin() -> Data:
    return {"u": matrix("tobin", "age", "quant"), "y": column("tobin", "durable")}


DISTRIBUTIONS = (
    Case(
        "thyrion_accidents_negbin",
        "negative_binomial",
        lambda: {
            "y": column("thyrion_accidents", "accidents"),
            "freq": column("thyrion_accidents", "freq"),
        },
        lambda r: {"mu": array(r["mean"]), "phi": array(r["shape_k"])},
    ),
    Case(
        "pumps_gamma_poisson",
        "gamma_poisson",
        lambda: {head: column("pumps", head) for head in ("failures", "time")},
        lambda r: {"a": array(r["shape"]), "b": array(r["rate"])},
    ),
    Case(
        "cholera_ztp",
        "positive_poisson",
        lambda: {"more": column("cholera", "further"), "freq": column("cholera", "households")},
        lambda r: {"rate": array(r["rate"])},
    ),
    Case(
        "cholera_ztp",
        "truncated_poisson",
        lambda: {"cases": column("cholera", "cases"), "freq": column("cholera", "households")},
        lambda r: {"rate": array(r["rate"])},
    ),
    Case(
        "saxony_betabinomial",
        "beta_binomial",
        lambda: {"y": column("saxony", "males"), "freq": column("saxony", "families")},
        lambda r: {"a": array(r["alpha"]), "b": array(r["beta"])},
    ),
    Case(
        "newcomb_t",
        "t_location",
        lambda: {"x": column("newcomb", "x")},
        lambda r: {name: array(r[name]) for name in ("loc", "scale", "nu")},
    ),
    Case(
        "turtles_vonmises1",
        "von_mises",
        lambda: {"angle": column("turtles", "angle")},
        lambda r: {"mu": np.deg2rad(array(r["mean_deg"])), "kappa": array(r["kappa"])},
    ),
    Case(
        "waiting_tmix2_nu4",
        "t_mixture",
        lambda: {"x": column("faithful", "waiting")},
        lambda r: {
            "weight": array(r["weights"]),
            "loc": array(r["locs"]),
            "scale": array(r["scales"]),
        },
        labels={"weight": 0, "loc": 0, "scale": 0},
    ),
    gammas("waiting"),
    gammas("eruptions"),
    Case(
        "lung_weibull",
        LIFETIMES,
        watched,
        lifetimes_of,
    ),
    Case("lung_weibull", AS_INTERVALS, intervals, lifetimes_of),
    Case(
        "lung_weibull_agesex",
        "weibull_lifetimes",
        lambda: {
            "time": column("lung", "time"),
            "died": column("lung", "event"),
            "u": matrix("lung", "age", "sex"),
        },
        survival_of,
    ),
    Case(
        "lung_weibull_agesex",
        "weibull_survival",
        lambda: {**deaths(), "u": matrix("lung", "age", "sex")},
        survival_of,
    ),
    Case(
        "tobin_tobit",
        "tobit",
        tobin,
        lambda r: {
            "intercept": array(r["coef"])[0],
            "beta": array(r["coef"])[1:],
            "sd": array(r["sigma"]),
        },
    ),
    Case(
        "bcg_meta",
        "meta_analysis",
        lambda: {"y": column("bcg", "y"), "s2": column("bcg", "var")},
        lambda r: {"mean": array(r["mu"]), "between": array(r["tau2"])},
    ),
    Case(
        "lh_ar1",
        "autoregression",
        lambda: {"x": column("lh", "lh")},
        lambda r: {
            "mean": array(r["mean"]),
            "phi": array(r["phi"]),
            "var": array(r["sigma2"]),
        },
    ),
)

# --- chains that start in their stationary distribution ----------------------------------------

TWO_STATES = """
model TwoStates
param leave, back : unit
param {param}
let   trans = [[1 - leave, leave], [back, 1 - back]]
let   start = [back / (leave + back), leave / (leave + back)]
for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   y[t] : {emission}
"""

THREE_STATES = """
model ThreeStates
param trans[3] : simplex[3]
param rate[3]  : positive
let   a = trans[1, 0] * (trans[2, 0] + trans[2, 1]) + trans[1, 2] * trans[2, 0]
let   b = trans[0, 1] * (trans[2, 1] + trans[2, 0]) + trans[0, 2] * trans[2, 1]
let   c = trans[0, 2] * (trans[1, 2] + trans[1, 0]) + trans[0, 1] * trans[1, 2]
let   start = [a / (a + b + c), b / (a + b + c), c / (a + b + c)]
for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   y[t] : count ~ Poisson(rate[z[t]])
"""


def two_states(params: Params) -> Params:
    """Of `leave` and `back`: the matrix, to be compared in either order."""
    if "trans" in params:
        return params
    leave, back = params["leave"], params["back"]
    rest = {name: value for name, value in params.items() if name not in {"leave", "back"}}
    return {**rest, "trans": array([[1 - leave, leave], [back, 1 - back]])}


def leaving(r: Answer) -> Params:
    trans = array(r["transition"])
    return {"leave": trans[0, 1], "back": trans[1, 0]}


def earthquakes() -> Data:
    return {"y": column("earthquakes", "count")}


STATIONARY = (
    Case(
        "earthquakes_hmm2_stationary",
        TWO_STATES.format(param="rate[2] : positive", emission="count ~ Poisson(rate[z[t]])"),
        earthquakes,
        lambda r: {**leaving(r), "rate": array(r["rates"])},
        labels={"rate": 0, "trans": (0, 1)},
        view=two_states,
    ),
    Case(
        "geyser_cat_hmm2_stationary",
        TWO_STATES.format(param="prob[2] : unit", emission="bool ~ Bernoulli(prob[z[t]])"),
        lambda: {"y": column("geyser", "long").astype(int)},
        lambda r: {**leaving(r), "prob": array(r["prob_long"])},
        labels={"prob": 0, "trans": (0, 1)},
        view=two_states,
        atol=1e-4,
        restarts=20,
    ),
    Case(
        "earthquakes_hmm3_stationary",
        THREE_STATES,
        earthquakes,
        lambda r: {"trans": array(r["transition"]), "rate": array(r["rates"])},
        labels={"rate": 0, "trans": (0, 1)},
        atol=1e-4,
        restarts=20,
    ),
)

SHAPES = (*DISTRIBUTIONS, *STATIONARY)
