"""Every reference case in reach: its model, its data, and the reference in the model's names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.special import gammaln

from tests.reference.case import Answer, Case, Data, Params, array
from tests.reference.continuous import CONTINUOUS
from tests.reference.glms import GLMS
from tests.reference.shapes import SHAPES, deaths
from tests.reference.tables import Floats, column, columns, design, matrix


def binomial_coefficients(trials: Floats, heads: Floats, freq: Floats) -> float:
    logs = gammaln(trials + 1) - gammaln(heads + 1) - gammaln(trials - heads + 1)
    return float(freq @ logs)


# --- counts in frequency tables --------------------------------------------------------------


def tabled(name: str, value: str, freq: str = "freq", as_name: str = "y") -> Data:
    return {as_name: column(name, value), "freq": column(name, freq)}


def expanded(name: str, value: str) -> Data:
    return {"y": np.repeat(column(name, value), column(name, "freq").astype(int))}


def poissons(table: str, value: str, K: int, **options: Any) -> Case:
    return Case(
        f"{table}_poismix_K{K}",
        "poisson_mixture",
        partial(tabled, table, value),
        lambda r: {"weight": array(r["weights"]), "rate": array(r["rates"])},
        labels={"weight": 0, "rate": 0},
        sizes={"K": K},
        **options,
    )


COUNTS = (
    Case(
        "linkage_rao",
        "linkage",
        partial(tabled, "linkage", "y"),
        lambda r: {"t": array(r["theta"])},
    ),
    Case(
        "abo_clarke",
        "abo",
        partial(tabled, "abo", "blood", as_name="blood"),
        lambda r: {"allele": array([r["pA"], r["pB"], r["pO"]])},
    ),
    Case(
        "peppered_moths",
        "peppered_moths",
        partial(tabled, "moths", "wings", as_name="wings"),
        lambda r: {"allele": array([r["pC"], r["pI"], r["pT"]])},
    ),
    Case(
        "two_coins_fixed",
        "two_coins",
        lambda: {"heads": column("two_coins", "heads"), "tosses": column("two_coins", "n")},
        lambda r: {"heads_prob": array([r["theta_A"], r["theta_B"]])},
        labels={"heads_prob": 0},
        constant=lambda d: binomial_coefficients(d["tosses"], d["heads"], np.ones(5)),
    ),
    poissons("thyrion_accidents", "accidents", 2),
    poissons("fetal_lamb_freq", "movements", 2),
    # One rate is zero at the maximum, which EM nears only in proportion to the step count.
    poissons("fetal_lamb_freq", "movements", 3, atol=1e-4),
    Case(
        "fetal_lamb_freq_zip",
        "zero_inflated_poisson",
        partial(expanded, "fetal_lamb_freq", "movements"),
        lambda r: {"p": array(1 - r["zero_inflation"]), "rate": array(r["rate"])},
    ),
    Case(
        "biochemists_zip0",
        "zero_inflated_poisson",
        lambda: {"y": column("biochemists", "art")},
        lambda r: {"p": array(1 - r["zero_inflation"]), "rate": array(r["rate"])},
    ),
    Case(
        "saxony_binomial",
        "binomial",
        partial(tabled, "saxony", "males", "families"),
        lambda r: {"p": array(r["p"])},
    ),
    Case(
        "saxony_binmix_K2",
        "binomial_mixture",
        partial(tabled, "saxony", "males", "families"),
        lambda r: {"weight": array(r["weights"]), "prob": array(r["probs"])},
        labels={"weight": 0, "prob": 0},
    ),
    Case(
        "horsekicks_poisson",
        "poisson",
        partial(tabled, "horsekicks", "deaths"),
        lambda r: {"rate": array(r["rate"])},
    ),
)

# --- normals ---------------------------------------------------------------------------------


def full(cov: Floats) -> Floats:
    return cov


def diagonal(cov: Floats) -> Floats:
    return np.diagonal(cov, axis1=-2, axis2=-1)


def spherical(cov: Floats) -> Floats:
    return cov[..., 0, 0]


# mclust's name of a covariance model: the file, its parameter, what it holds, one per component?
COVARIANCES: dict[str, tuple[str, str, Callable[[Floats], Floats], bool]] = {
    "VVV": ("gaussian_mixture", "cov", full, True),
    "EEE": ("gaussian_mixture_tied", "cov", full, False),
    "VVI": ("gaussian_mixture_diagonal", "var", diagonal, True),
    "EEI": ("gaussian_mixture_tied_diagonal", "var", diagonal, False),
    "VII": ("gaussian_mixture_spherical", "var", spherical, True),
    "EII": ("gaussian_mixture_tied_spherical", "var", spherical, False),
}

# mclust's others: the file is named like them
SPECTRAL = ("VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV")

MEASURES = {
    "faithful": ("eruptions", "waiting"),
    "iris": ("sl", "sw", "pl", "pw"),
    "banknote": ("Length", "Left", "Right", "Bottom", "Top", "Diagonal"),
    "crabs": ("FL", "RW", "CL", "CW", "BD"),
}


def gaussians(table: str, K: int, shape: str, **options: Any) -> Case:
    model, parameter, part, own = COVARIANCES[shape]

    def params(r: Answer) -> Params:
        cov = part(array(r["covariances"]))
        return {
            "weight": array(r["weights"]),
            "mean": array(r["means"]),
            parameter: cov if own else cov[0],
        }

    return Case(
        f"{table}_gmm{K}_{shape}",
        model,
        lambda: {"x": matrix(table, *MEASURES[table])},
        params,
        labels={"weight": 0, "mean": 0} | ({parameter: 0} if own else {}),
        sizes={"K": K},
        **options,
    )


def spectral(table: str, K: int, name: str, **options: Any) -> Case:
    """Covariances by volume, shape and rotation, each (E)qual or (V)arying; I has no rotation."""
    equal_volume, equal_shape, equal_turn = (letter == "E" for letter in name)

    def params(r: Answer) -> Params:
        cov = array(r["covariances"])
        size = cov.shape[-1]
        volume = np.linalg.det(cov) ** (1 / size)
        turn = np.broadcast_to(np.eye(size), cov.shape)
        if name[2] != "I":
            turn = np.linalg.eigh(cov[:1] if equal_turn else cov)[1]
            turn = np.broadcast_to(turn, cov.shape)
        lengths = np.einsum("kij,kil,kjl->kl", cov, turn, turn) / volume[:, None]
        found = {
            "weight": array(r["weights"]),
            "mean": array(r["means"]),
            "volume": volume[0] if equal_volume else volume,
            "shape": lengths[0] if equal_shape else lengths,
        }
        return found if name[2] == "I" else found | {"rotation": turn[0] if equal_turn else turn}

    def view(p: Params) -> Params:
        """What is determined: a rotation's columns have no order and no sign."""
        turn = p.get("rotation", np.eye(p["shape"].shape[-1]))
        cov = np.einsum("...il,...l,...jl->...ij", turn, p["shape"], turn)
        cov = np.broadcast_to(cov, (K, *cov.shape[-2:])) * p["volume"].reshape(-1, 1, 1)
        return {"weight": p["weight"], "mean": p["mean"], "cov": cov}

    return Case(
        f"{table}_gmm{K}_{name}",
        f"gaussian_mixture_{name.lower()}",
        lambda: {"x": matrix(table, *MEASURES[table])},
        params,
        labels={"weight": 0, "mean": 0, "cov": 0},
        sizes={"K": K},
        view=view,
        **options,
    )


def normals(case: str, table: str, head: str, **options: Any) -> Case:
    equal = case.endswith("E")

    def params(r: Answer) -> Params:
        sd = array(r["sd"])
        return {
            "weight": array(r["weights"]),
            "mean": array(r["coef"])[:, 0],
            "sd": sd[0] if equal else sd,
        }

    return Case(
        case,
        "normal_mixture_equal" if equal else "normal_mixture",
        lambda: {"x": column(table, head)},
        params,
        labels={"weight": 0, "mean": 0} | ({} if equal else {"sd": 0}),
        **options,
    )


NORMALS = (
    *(gaussians("faithful", 2, shape) for shape in COVARIANCES),
    *(gaussians("faithful", 3, shape, restarts=20) for shape in ("EII", "EEI", "EEE")),
    *(gaussians("iris", 3, shape, restarts=10) for shape in ("EII", "VII", "EEI", "VVI", "EEE")),
    gaussians("iris", 3, "VVV", restarts=10),
    gaussians("banknote", 2, "EEE", restarts=30),
    gaussians("crabs", 4, "EEE", near=True),
    *(spectral("faithful", 2, shape) for shape in SPECTRAL),
    *(spectral("faithful", 3, shape, restarts=20) for shape in ("EVI", "EVE", "EEV", "EVV")),
    spectral("iris", 3, "VEV", restarts=10),
    normals("waiting_mix2_V", "faithful", "waiting"),
    normals("waiting_mix2_E", "faithful", "waiting"),
    normals("eruptions_mix2_V", "faithful", "eruptions"),
    Case(
        "pearson_crabs_midpoint",
        "pearson_crabs",
        partial(tabled, "pearson_crabs", "bin", as_name="x"),
        lambda r: {
            "weight": array(r["weights"]),
            "mean": array(r["means"]),
            "sd": array(r["sds"]),
        },
        labels={"weight": 0, "mean": 0, "sd": 0},
    ),
)

# --- positive numbers ------------------------------------------------------------------------

POSITIVE = (
    Case(
        "coal_exp1",
        "exponential",
        lambda: {"x": column("coal_intervals", "x")},
        lambda r: {"rate": 1 / array(r["means"])[0]},
    ),
    Case(
        "coal_expmix2",
        "exponential_mixture",
        lambda: {"x": column("coal_intervals", "x")},
        lambda r: {"weight": array(r["weights"]), "rate": 1 / array(r["means"])},
        labels={"weight": 0, "rate": 0},
    ),
    Case(
        "lung_exponential",
        "censored_lifetimes",
        deaths,
        lambda r: {"rate": array(r["rate"])},
    ),
)

# --- categories ------------------------------------------------------------------------------


def items(table: str, *heads: str) -> Data:
    """Categories, counted from 0 whatever the table counts from."""
    y = matrix(table, *heads)
    return {"y": (y - np.nanmin(y)).astype(int)}


def classes(table: str, K: int, *heads: str, **options: Any) -> Case:
    return Case(
        f"{table}_lca{K}",
        "latent_class",
        partial(items, table, *heads),
        lambda r: {
            "weight": array(r["weights"]),
            "prob": array(list(r["item_probs"].values())),  # item, class, value
        },
        labels={"weight": 0, "prob": 1},
        sizes={"K": K},
        atol=1e-4,  # many answers are certain in a class, which EM nears slowly
        **options,
    )


def independence(r: Answer) -> Params:
    fitted = array(r["fitted_counts"]) / np.sum(r["fitted_counts"])
    return {"weight": np.ones(1), "row": fitted.sum(1)[None], "column": fitted.sum(0)[None]}


def fitted_table(params: Params) -> Params:
    if "fitted" in params:
        return params
    weight, row, column = (params[name] for name in ("weight", "row", "column"))
    return {"fitted": np.einsum("k,kr,kc->rc", weight, row, column)}


def hair_eye() -> Data:
    return {head: column("hair_eye", head).astype(int) for head in ("hair", "eye", "freq")}


def documents(r: Answer) -> Params:
    fitted = array(r["fitted_counts"])
    return {"fitted": fitted / fitted.sum(1, keepdims=True)}


def fitted_words(params: Params) -> Params:
    return params if "fitted" in params else {"fitted": params["mix"] @ params["topic"]}


def long_table() -> Data:
    table = hair_eye()
    return {"doc": table["hair"], "word": table["eye"], "count": table["freq"]}


def of_documents(data: Data) -> float:
    """The reference draws the documents too: this is what it has for that, with its sign."""
    totals = np.bincount(data["doc"], weights=data["count"])
    return -float(totals @ np.log(totals / totals.sum()))


TABLES = (
    Case("haireye_plsa1", "topics_of_a_table", hair_eye, independence, sizes={"K": 1}),
    Case(
        "haireye_plsa2",
        "topics_of_a_table",
        hair_eye,
        lambda r: {"fitted": array(r["fitted_counts"]) / np.sum(r["fitted_counts"])},
        # of the 13 parameters two only turn the topics into each other
        view=fitted_table,
        known=False,
        restarts=10,
    ),
    Case(
        "haireye_plsa2",
        "plsa",
        long_table,
        documents,
        constant=of_documents,
        view=fitted_words,
        known=False,
        restarts=10,
        free=10,  # without the three of the documents' shares
    ),
)


def ratings() -> Data:
    """Every rating in a row of its own."""
    return {head: column("dawid_skene", head).astype(int) for head in columns("dawid_skene")}


ENGLISH = ("the", "house", "book", "a")
GERMAN = ("das", "Haus", "Buch", "ein")


def corpus() -> Data:
    """Each English word with the two German ones of its sentence."""
    english = np.array([ENGLISH.index(w) for w in columns("ibm1_koehn")["english"]])
    german = np.array([GERMAN.index(w) for w in columns("ibm1_koehn")["german"]]).reshape(3, 2)
    return {"word": english, "source": german.repeat(2, axis=0), "share": np.full((6, 2), 1 / 2)}


CATEGORIES = (
    Case(
        "dawid_skene",
        "dawid_skene",
        ratings,
        lambda r: {"prevalence": array(r["class_prob"]), "confusion": array(r["error_rates"])},
        labels={"prevalence": 0, "confusion": 1},
        n=315,  # ratings, where the reference counts patients
        near=True,
        atol=1e-4,
    ),
    classes("carcinoma", 2),
    classes("carcinoma", 3, restarts=20),
    classes("carcinoma", 4, restarts=50, slow=True),
    classes("values", 2),
    classes("cheating", 2, "LIEEXAM", "LIEPAPER", "FRAUD", "COPYEXAM"),
    classes("lsat", 2),
)

# --- chains ----------------------------------------------------------------------------------

STATES = {"start": 0, "trans": (0, 1)}


def chain(r: Answer) -> Params:
    return {"start": array(r["initial"]), "trans": array(r["transition"])}


def hidden(
    case: str,
    model: str,
    data: Callable[[], Data],
    emission: Callable[[Answer], Params],
    *names: str,
    **options: Any,
) -> Case:
    """A hidden Markov model whose initial distribution is free; `names` are those of emissions."""
    K = int(case.split("hmm")[1][0])
    return Case(
        case,
        model,
        data,
        lambda r: {**chain(r), **emission(r)},
        labels={**STATES, **dict.fromkeys(names, 0)},
        sizes={"K": K},
        atol=1e-4,  # many transitions are impossible at the maximum, which EM nears slowly
        **options,
    )


def normal_states(r: Answer) -> Params:
    return {"mean": array(r["mean"]), "sd": array(r["sd"])}


def reaction_times() -> Data:
    return {"x": column("speed", "rt"), "s": column("speed", "series").astype(int)}


def answers() -> Data:
    correct = np.array([cell == "cor" for cell in columns("speed")["corr"]])
    return {**reaction_times(), "y": correct.astype(int)}


def long_eruptions() -> Data:
    return {"x": column("geyser", "long").astype(int)}


def earthquakes() -> Data:
    return {"y": column("earthquakes", "count")}


def eruptions(K: int) -> Case:
    """The likelihood is unbounded: some state may settle on two equal durations."""
    return hidden(
        f"geyser_gauss_hmm{K}_diag",
        "gaussian_hmm_diagonal",
        lambda: {"x": matrix("geyser", "waiting", "duration")},
        lambda r: {"mean": array(r["mean"]), "var": array(r["sd"]) ** 2},
        "mean",
        "var",
        near=True,
    )


CHAINS = (
    *(
        hidden(
            f"earthquakes_hmm{K}_free",
            "poisson_hmm",
            earthquakes,
            lambda r: {"rate": array(r["rates"])},
            "rate",
            restarts=20,
        )
        for K in (2, 3)
    ),
    *(
        hidden(
            f"speed_hmm{K}_rt",
            "normal_hmm",
            reaction_times,
            normal_states,
            "mean",
            "sd",
            restarts=20,
        )
        for K in (2, 3)
    ),
    hidden(
        "speed_hmm2_rt_corr",
        "mixed_types_hmm",
        answers,
        lambda r: {**normal_states(r), "prob": array(r["prob_correct"])},
        "mean",
        "sd",
        "prob",
        restarts=20,
    ),
    hidden(
        "geyser_cat_hmm2_free",
        "hmm",
        long_eruptions,
        lambda r: {"emit": np.stack([1 - array(r["prob_long"]), array(r["prob_long"])], axis=1)},
        "emit",
        restarts=20,
    ),
    eruptions(2),
    eruptions(3),
    Case(
        "geyser_cat_mc1_conditional",
        "markov_chain",
        long_eruptions,
        # the first eruption has a distribution of its own here: it was long
        lambda r: {"start": array([0, 1]), "trans": array(r["transition"])},
        free=3,
        n=299,
    ),
)

# --- regressions -----------------------------------------------------------------------------


def regression(case: str, table: str, response: str, *covariates: str) -> Case:
    def data() -> Data:
        heads = covariates or tuple(h for h in columns(table) if h != response)
        return {"u": matrix(table, *heads), "y": column(table, response)}

    return Case(
        case,
        "linear_regression",
        data,
        lambda r: {
            "intercept": array(r["coef"])[0],
            "beta": array(r["coef"])[1:],
            "sd": np.sqrt(array(r["sigma2_ml"])),
        },
    )


EQUAL_REGRESSIONS = """
model EqualRegressions(K = 2)
param weight  : simplex[K]
param beta[K] : real[P]
param sd      : positive
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)
    data   y[n] ~ Normal(dot(beta[z[n]], u[n]), sd)
"""


def regressions(case: str, data: Callable[[], Data], **options: Any) -> Case:
    equal = case.endswith("_eq")

    def params(r: Answer) -> Params:
        sd = array(r["sd"])
        return {
            "weight": array(r["weights"]),
            "beta": array(r["coef"]),
            "sd": sd[0] if equal else sd,
        }

    return Case(
        case,
        EQUAL_REGRESSIONS if equal else "mixture_of_regressions",
        data,
        params,
        labels={"weight": 0, "beta": 0} | ({} if equal else {"sd": 0}),
        **options,
    )


def npreg() -> Data:
    x = column("npreg", "x")
    return {"u": np.stack([np.ones_like(x), x, x**2], axis=-1), "y": column("npreg", "yn")}


def tone() -> Data:
    return {"u": matrix("tone", "one", "stretchratio"), "y": column("tone", "tuned")}


def co2() -> Data:
    return {"u": design("co2gnp", "GNP"), "y": column("co2gnp", "CO2")}


REGRESSIONS = (
    regression("longley_lm", "longley", "Employed"),
    regression("diabetes_lm", "diabetes_efron", "y"),
    regression("stackloss_lm", "stackloss", "loss"),
    regressions("npreg_mixreg2", npreg, restarts=10),
    regressions("tone_mixreg2", tone),
    regressions("tone_mixreg2_eq", tone, restarts=20),
    regressions("co2gnp_mixreg2", co2, restarts=10),
    regressions("co2gnp_mixreg2_eq", co2, restarts=20),
)

# --- missing cells ---------------------------------------------------------------------------


def murray(r: Answer) -> Params:
    """One of the two maxima: the other has the correlation's sign turned."""
    cross = r["abs_rho"] * np.sqrt(r["var1"] * r["var2"])
    return {"cov": array([[r["var1"], cross], [cross, r["var2"]]])}


GAPS = (
    Case(
        "apple_mvn",
        "multivariate_normal",
        lambda: {"x": matrix("apple")},
        lambda r: {"mean": array(r["mean"]), "cov": array(r["cov"])},
    ),
    Case(
        "murray",
        "murray",
        lambda: {"x": matrix("murray")},
        murray,
        view=lambda p: {"cov": np.abs(p["cov"])},
    ),
)

CASES = (
    *COUNTS,
    *NORMALS,
    *POSITIVE,
    *TABLES,
    *CATEGORIES,
    *CHAINS,
    *REGRESSIONS,
    *GLMS,
    *SHAPES,
    *CONTINUOUS,
    *GAPS,
)
