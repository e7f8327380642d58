"""Reference cases of regressions that are not of least squares, and of mixtures of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.reference.case import Answer, Case, Data, Params, array
from tests.reference.tables import Floats, column, columns, design, matrix


def line(coefficients: Any) -> Params:
    """Intercept and slopes, given as one vector."""
    all_of_them = array(coefficients)
    return {"intercept": all_of_them[0], "beta": all_of_them[1:]}


def line_of(r: Answer) -> Params:
    return line(r["coef"])


# --- one response -----------------------------------------------------------------------------


def vaso() -> Data:
    return {"u": np.log(matrix("vaso", "Volume", "Rate")), "y": column("vaso", "Y")}


def menarche() -> Data:
    heads = {"u": "Age", "total": "Total", "y": "Menarche"}
    data = {name: column("menarche", head) for name, head in heads.items()}
    return data | {"u": data["u"][:, None]}


def irises() -> Data:
    species = np.array(columns("iris")["species"])
    chosen = species != "setosa"
    return {
        "u": matrix("iris", "sl", "sw", "pl", "pw")[chosen],
        "y": (species[chosen] == "virginica").astype(int),
    }


WARPBREAKS = """
model Warpbreaks
param intercept, b, low, medium : real
for n in N:
    input wool[n]    : category[2]
    input tension[n] : category[3]
    let   effect[n] = [0, b][wool[n]] + [low, medium, 0][tension[n]]
    data  y[n] : count ~ Poisson(log = intercept + effect[n])
"""


def warpbreaks() -> Data:
    data = {head: column("warpbreaks", head).astype(int) for head in ("wool", "tension")}
    return data | {"y": column("warpbreaks", "breaks")}


def quine() -> Data:
    u = matrix("quine", "eth", "sex", "age1", "age2", "age3", "slow")
    return {"u": u, "y": column("quine", "days")}


PUBLISHING = ("fem", "mar", "kid5", "phd", "ment")


def articles() -> Data:
    return {"u": matrix("biochemists", *PUBLISHING), "y": column("biochemists", "art")}


def zeros(*heads: str) -> Callable[[], Data]:
    """Articles; covariates of who writes any."""

    def data() -> Data:
        ones = column("biochemists", "one")[:, None]
        return {
            "u": design("biochemists", *PUBLISHING),
            "v": design("biochemists", *heads) if heads else ones,
            "y": column("biochemists", "art"),
        }

    return data


def inflated(r: Answer) -> Params:
    return {"gate": -array(r["zero"]), "beta": array(r["count"])}


SINGLE = (
    Case(
        "infert_logit",
        "logistic_regression",
        lambda: {"u": matrix("infert", "spontaneous", "induced"), "y": column("infert", "case")},
        line_of,
    ),
    Case("vaso_logit", "logistic_regression", vaso, line_of),
    Case("vaso_probit", "probit_regression", vaso, line_of),
    Case("iris_logit_vv", "logistic_regression", irises, line_of),
    Case("menarche_logit", "binomial_regression", menarche, line_of),
    Case(
        "warpbreaks_poisson",
        WARPBREAKS,
        warpbreaks,
        lambda r: dict(
            zip(("intercept", "b", "low", "medium"), map(array, r["coef"]), strict=True)
        ),
    ),
    Case("biochemists_poisson", "poisson_regression", articles, lambda r: line(r["count"])),
    Case(
        "biochemists_negbin",
        "negative_binomial_regression",
        articles,
        lambda r: {**line(r["count"]), "phi": array(r["theta"])},
    ),
    Case(
        "quine_negbin",
        "negative_binomial_regression",
        quine,
        lambda r: {**line_of(r), "phi": array(r["theta"])},
    ),
    Case("biochemists_zip_cov", "zero_inflated_regression", zeros(*PUBLISHING), inflated),
    Case("biochemists_zip_cov_const", "zero_inflated_regression", zeros(), inflated),
)

# --- errors of other shapes ------------------------------------------------------------------

T_ERRORS = """
model TErrors
const nu : positive
param intercept : real
param beta      : real[P]
param scale     : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ StudentT(nu, intercept + dot(beta, u[n]), scale)
"""

LAPLACE_ERRORS = T_ERRORS.replace("const nu : positive\n", "").replace("StudentT(nu, ", "Laplace(")


def stackloss() -> Data:
    u = matrix("stackloss", "airflow", "watertemp", "acidconc")
    return {"u": u, "y": column("stackloss", "loss")}


def t_errors(nu: int) -> Case:
    return Case(
        f"stackloss_t_nu{nu}",
        T_ERRORS,
        lambda: {**stackloss(), "nu": np.array(float(nu))},
        lambda r: {**line_of(r), "scale": array(r["scale"])},
    )


ERRORS = (
    t_errors(1),
    t_errors(4),
    Case(
        "stackloss_t_free",
        "robust_regression",
        stackloss,
        lambda r: {**line_of(r), "scale": array(r["scale"]), "nu": array(r["nu"])},
    ),
    Case(
        "stackloss_laplace",
        LAPLACE_ERRORS,
        stackloss,
        lambda r: {**line_of(r), "scale": array(r["scale"])},
    ),
)

# --- mixtures and experts ----------------------------------------------------------------------

COMMON_SLOPE = """
model CommonSlope(K = 2)
param weight   : simplex[K]
param level[K] : real
param slope    : real
for n in N:
    input  u[n] : real
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Poisson(log = level[z[n]] + slope * u[n])
"""


def centred(gate: Floats) -> Floats:
    """Of scores whose softmax is meant: the same may be added to all of them."""
    return gate - gate.mean(axis=0)


def with_centred_gate(params: Params) -> Params:
    return {**params, "gate": centred(params["gate"])}


def poissons(case: str, table: str, response: str, covariate: str, **options: Any) -> Case:
    return Case(
        case,
        "mixture_of_poisson_regressions",
        lambda: {"u": design(table, covariate), "y": column(table, response)},
        lambda r: {"weight": array(r["weights"]), "beta": array(r["coef"])},
        labels={"weight": 0, "beta": 0},
        sizes={"K": int(case[-1])},
        **options,
    )


def patents() -> Data:
    return {
        "u": design("patent", "lgRD"),
        "v": design("patent", "RDS"),
        "y": column("patent", "Patents"),
    }


CHEATING = ("LIEEXAM", "LIEPAPER", "FRAUD", "COPYEXAM")


def cheating() -> Data:
    """The students whose grades are known; 0 for no, 1 for yes."""
    known = ~np.isnan(column("cheating", "GPA"))
    answers = matrix("cheating", *CHEATING)[known] - 1
    return {"u": design("cheating", "GPA")[known], "y": answers.astype(int)}


def cheaters(r: Answer) -> Params:
    yes = np.stack([r["prob_yes_low_class"], r["prob_yes_high_class"]], axis=1)  # item, class
    return {
        "gate": array([[0.0, 0.0], [r["gate_intercept"], r["gate_gpa"]]]),
        "prob": np.stack([1 - yes, yes], axis=-1),
    }


MIXED = (
    poissons("npreg_poisreg2", "npreg", "yp", "x", restarts=10),
    poissons("patent_poisreg3", "patent", "Patents", "lgRD", restarts=30),
    Case(
        "fabric_poisreg2",
        COMMON_SLOPE,
        lambda: {
            "u": np.log(column("fabricfault", "length")),
            "y": column("fabricfault", "faults"),
        },
        lambda r: {
            "weight": array(r["weights"]),
            "level": array(r["coef"])[:, 0],
            "slope": array(r["common_coef"])[0],
        },
        labels={"weight": 0, "level": 0},
    ),
    Case(
        "patent_moe3",
        "poisson_experts",
        patents,
        lambda r: {"beta": array(r["expert_coef"]), "gate": array(r["gate_coef"])},
        labels={"beta": 0, "gate": 0},
        sizes={"K": 3},
        view=with_centred_gate,
        near=True,
    ),
    Case(
        "cheating_lca2_gpa",
        "latent_class_regression",
        cheating,
        cheaters,
        labels={"gate": 0, "prob": 1},
        view=with_centred_gate,
        restarts=10,
    ),
)

GLMS = (*SINGLE, *ERRORS, *MIXED)
