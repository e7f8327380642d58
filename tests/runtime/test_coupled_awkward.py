"""Awkward data for models of coupled rows: what must not matter doesn't, and zeros stay zeros."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emdsl.compiler import Compiled, compile_source, import_text
from emdsl.source import Source
from emdsl.verify.checks import Case, check_e_step
from tests.gallery.models import ROOT

Floats = NDArray[np.float64]
Lists = dict[str, list[Any]]  # for each array, what each sequence holds


@cache
def compiled(name: str, *changes: tuple[str, str]) -> tuple[Compiled, Any]:
    """A gallery model, with pieces of its text put in place of others, and its module."""
    text = (ROOT / "models" / f"{name}.em").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    made = compile_source(Source(text, f"{name}.em"))
    return made, import_text(made.module, name)


def model(name: str, *changes: tuple[str, str]) -> Any:
    return compiled(name, *changes)[1]


def fit(module: Any, data: Any, init: Mapping[str, Any], **options: Any) -> Any:
    """One start, to the last digit or `max_iter`."""
    chosen = {"max_iter": 25, "tol": 0.0, **options}
    return module.fit(data, init=dict(init), restarts=1, progress=False, **chosen)


def same_params(one: Any, other: Any, rtol: float = 1e-9) -> None:
    for name, value in one.params.items():
        np.testing.assert_allclose(other.params[name], value, rtol, 1e-12, err_msg=name)


# --- models with sequences, a start for each and data that don't fit it too well -----------------


@dataclass(frozen=True)
class Sequences:
    """`size` is the name of the lengths, `over` of the sequences' axis; `weigh` adds weights."""

    name: str
    make: Callable[[np.random.Generator, int], dict[str, Any]]  # a sequence of n rows
    init: Mapping[str, Any]
    size: str = "T"
    over: str = "s"
    extent: str = "S"

    def lists(self, lengths: tuple[int, ...] = (4, 1, 7, 3, 1, 5)) -> Lists:
        rng = np.random.default_rng(4)
        made = [self.make(rng, n) for n in lengths]
        return {name: [one[name] for one in made] for name in made[0]}

    def weighted(self) -> Any:
        line = f"for {self.over} in {self.extent}:"
        return model(self.name, (line, f"{line[:-1]} times w[{self.over}]:"))


def grid(x: Any) -> Floats:
    """Such that x + 1e8 is exact."""
    return np.round(np.asarray(x) * 1024) / 1024


def number(rng: np.random.Generator, n: int) -> dict[str, Any]:
    return {"x": grid(rng.normal(3 * rng.integers(2, size=n), 1.0))}


def symbols(rng: np.random.Generator, n: int) -> dict[str, Any]:
    return {"x": rng.integers(3, size=n)}


def tree(rng: np.random.Generator, n: int) -> dict[str, Any]:
    """Parents stand before their children or after: the root is anywhere."""
    up = np.array([-1, *(int(rng.integers(i)) for i in range(1, n))])
    place = rng.permutation(n)  # of each node
    moved = np.empty(n, dtype=int)
    moved[place] = np.where(up < 0, -1, place[up])
    return {**number(rng, n), "up": moved}


def pupils(rng: np.random.Generator, n: int) -> dict[str, Any]:
    return {"y": rng.integers(2, size=(n, 3))}


CHAIN: dict[str, Any] = {"start": [0.3, 0.7], "trans": [[0.6, 0.4], [0.1, 0.9]]}
NORMAL = Sequences("normal_hmm", number, {**CHAIN, "mean": [0.5, 2.25], "sd": [1.0, 2.0]})
SYMBOLS = Sequences("hmm", symbols, {**CHAIN, "emit": [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]]})
TREE = Sequences("hidden_markov_tree", tree, {**CHAIN, "mean": [0.5, 2.25], "sd": [1.0, 2.0]})
KINDS = Sequences(
    "mixture_of_hmms",
    number,
    {
        "weight": [0.4, 0.6],
        "start": [[0.3, 0.7], [0.5, 0.5]],
        "trans": [CHAIN["trans"], [[0.2, 0.8], [0.7, 0.3]]],
        "mean": [[-0.5, 2.25], [0.5, 3.5]],
        "sd": 1.5,
    },
)
SCHOOLS = Sequences(
    "multilevel_latent_class",
    pupils,
    {
        "weight": [0.4, 0.6],
        "mix": [[0.8, 0.2], [0.3, 0.7]],
        "prob": [[[0.9, 0.1], [0.3, 0.7]]] * 3,
    },
    "N",
    "g",
    "G",
)
ALL = (NORMAL, SYMBOLS, TREE, KINDS, SCHOOLS)
each = pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)


def picked(lists: Lists, order: Any) -> Lists:
    return {name: [rows[i] for i in order] for name, rows in lists.items()}


def rows(lists: Lists) -> dict[str, Any]:
    return {name: np.concatenate(values) for name, values in lists.items()}


# --- order, forms, copies ------------------------------------------------------------------------


@each
def test_the_order_of_sequences_does_not_matter(case: Sequences) -> None:
    lists = case.lists()
    order = [5, 0, 3, 4, 2, 1]
    one = fit(model(case.name), lists, case.init)
    other = fit(model(case.name), picked(lists, order), case.init)
    np.testing.assert_allclose(other.objective_trace[:10], one.objective_trace[:10], rtol=1e-12)
    same_params(one, other)
    for name, posterior in one.posterior().items():
        found = other.posterior()[name]
        for i, s in enumerate(order):
            np.testing.assert_allclose(found[i], posterior[s], atol=1e-9)


@each
def test_every_form_of_the_data_is_fitted_alike(case: Sequences) -> None:
    lists = case.lists((4,) * 6)
    ids = np.repeat(np.arange(6), 4)
    mixed = np.argsort(np.tile(np.arange(4), 6), kind="stable")  # first rows first, and so on
    flat = rows(lists)
    forms = {
        "lengths": {**flat, case.size: [4] * 6},
        "ids": {**flat, case.over: ids},
        "ids anywhere": {
            **{name: value[mixed] for name, value in flat.items()},
            case.over: np.array(list("fedcba"))[ids[mixed]],
        },
        "rectangular": {name: np.stack(value) for name, value in lists.items()},
    }
    one = fit(model(case.name), lists, case.init)
    latents = one.posterior()
    for form, data in forms.items():
        other = fit(model(case.name), data, case.init)
        assert other.objective == one.objective, form
        same_params(one, other, 0.0)
        for name, posterior in other.posterior().items():
            expected = np.array(latents[name])  # outer plates, then rows, or outer plates alone
            if expected.ndim == 3 and form != "rectangular":
                expected = expected.reshape(-1, expected.shape[-1])
                expected = expected[mixed] if form == "ids anywhere" else expected
            np.testing.assert_array_equal(posterior, expected, err_msg=f"{form}, {name}")


@each
def test_going_on_from_a_posterior(case: Sequences) -> None:
    """In any form of the data, the responsibilities of one fit are where another starts."""
    lists = case.lists((4,) * 6)
    flat = rows(lists)
    mixed = np.argsort(np.tile(np.arange(4), 6), kind="stable")
    ids = {case.over: np.repeat(np.arange(6), 4)[mixed]}
    forms: tuple[dict[str, Any], ...] = (
        lists,
        {**flat, case.size: [4] * 6},
        {**{name: value[mixed] for name, value in flat.items()}, **ids},
        {name: np.stack(value) for name, value in lists.items()},
    )
    first = [fit(model(case.name), data, case.init) for data in forms]
    again = [
        fit(model(case.name), data, one.posterior(), **sizes(case), max_iter=10)
        for data, one in zip(forms, first, strict=True)
    ]
    for other in again:
        np.testing.assert_allclose(other.objective_trace, again[0].objective_trace, rtol=1e-12)
    states = {name: size for name, size in sizes(case).items() if name != "V"}
    drawn = model(case.name).init_params(lists, **states)
    assert again[0].objective_trace[0] > model(case.name).log_likelihood(lists, drawn)


@each
def test_copies_are_weights(case: Sequences) -> None:
    lists = case.lists()
    copies = np.array([2, 1, 3, 1, 2, 1])
    order = np.repeat(np.arange(6), copies)
    one = fit(model(case.name), picked(lists, order), case.init)
    other = fit(case.weighted(), {**lists, "w": copies.astype(float)}, case.init)
    np.testing.assert_allclose(other.objective_trace[:10], one.objective_trace[:10], rtol=1e-12)
    same_params(one, other)
    assert other.bic_n == pytest.approx(one.bic_n)


@each
def test_everything_twice_is_twice_the_likelihood(case: Sequences) -> None:
    lists = case.lists()
    one = fit(model(case.name), lists, case.init)
    other = fit(model(case.name), picked(lists, [*range(6)] * 2), case.init)
    weighed = fit(case.weighted(), {**lists, "w": np.full(6, 2.0)}, case.init)
    for twice in (other, weighed):
        assert twice.objective == pytest.approx(2 * one.objective, rel=1e-12)
        same_params(one, twice)


# --- units ---------------------------------------------------------------------------------------

POWER = {
    "first": [0.5, 0.25],
    "heater": [0.25, 0.75],
    "fridge": [0.5, 0.375],
    "base": 0.25,
    "watts": [3.0, 1.0],
    "sd": 1.0,
}
IN_UNITS = {
    "normal_hmm": (NORMAL.lists(), NORMAL.init),
    "hidden_markov_tree": (TREE.lists(), TREE.init),
    "mixture_of_hmms": (KINDS.lists(), KINDS.init),
    "factorial_hmm": ({"x": rows(NORMAL.lists((30,)))["x"]}, POWER),
}


def moved(data: Mapping[str, Any], move: Callable[[Any], Any]) -> dict[str, Any]:
    x = data["x"]
    return {**data, "x": [move(one) for one in x] if isinstance(x, list) else move(x)}


@pytest.mark.parametrize("name", IN_UNITS)
def test_far_from_zero(name: str) -> None:
    data, init = IN_UNITS[name]
    there = {n: np.add(v, 1e8) if n in ("mean", "base") else v for n, v in init.items()}
    here = fit(model(name), data, init)
    far = fit(model(name), moved(data, lambda x: x + 1e8), there)
    assert far.status == here.status
    assert far.objective == pytest.approx(here.objective, rel=1e-9)
    for at, value in here.params.items():
        found = far.params[at] - (1e8 if at in ("mean", "base") else 0.0)
        np.testing.assert_allclose(found, value, 1e-6, 1e-7, err_msg=at)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("name", IN_UNITS)
def test_other_units(name: str, scale: float) -> None:
    """The log likelihood moves by the logarithm of the Jacobian: n log(scale)."""
    data, init = IN_UNITS[name]
    units = {"mean", "sd", "base", "watts"}
    there = {n: np.multiply(v, scale) if n in units else v for n, v in init.items()}
    here = fit(model(name), data, init)
    other = fit(model(name), moved(data, lambda x: x * scale), there)
    assert other.status == here.status
    n = np.size(rows(data)["x"]) if isinstance(data["x"], list) else np.size(data["x"])
    assert other.objective + n * np.log(scale) == pytest.approx(here.objective, rel=1e-10)
    for at, value in here.params.items():
        found = other.params[at] / (scale if at in units else 1.0)
        np.testing.assert_allclose(found, value, 1e-6, 1e-9, err_msg=at)


# --- gaps ----------------------------------------------------------------------------------------


def values(case: Sequences) -> str:
    return "y" if case.name == "multilevel_latent_class" else "x"


def gap(case: Sequences, lists: Lists, at: Mapping[int, Any]) -> Lists:
    """Nothing seen in these rows of these sequences."""
    name = values(case)
    seen = [np.array(one, dtype=float) for one in lists[name]]
    for s, places in at.items():
        seen[s][places] = np.nan
    return {**lists, name: seen}


def exact(case: Sequences, lists: Lists) -> list[str]:
    """What of log likelihood, posterior and prediction differs from brute force."""
    name = values(case)
    data = {**rows(lists), case.size: np.array([len(one) for one in lists[name]])}
    floats = {n: np.asarray(v, dtype=float) for n, v in data.items()}
    params = {n: np.asarray(v, dtype=float) for n, v in case.init.items()}
    return check_e_step(Case(*compiled(case.name), floats, params))


@each
def test_rows_that_are_missing_are_summed_out(case: Sequences) -> None:
    lists = gap(case, case.lists((3, 1, 4)), {0: [1], 1: [0], 2: [0, 3]})
    assert exact(case, lists) == []


@each
def test_a_sequence_that_is_missing_says_nothing(case: Sequences) -> None:
    lists = case.lists((4, 3, 5))
    gone = gap(case, lists, {1: slice(None)})
    assert exact(case, gap(case, case.lists((3, 2)), {1: slice(None)})) == []
    module = model(case.name)
    left = module.log_likelihood(picked(lists, [0, 2]), case.init)
    assert module.log_likelihood(gone, case.init) == pytest.approx(left, rel=1e-12)
    if "start" in case.init and case.name != "mixture_of_hmms":
        z = module.posterior(gone, case.init)["z"][1]
        root = int(np.argmin(lists["up"][1])) if "up" in lists else 0
        np.testing.assert_allclose(z[root], case.init["start"], rtol=1e-12)
    result = fit(module, gone, case.init)
    assert (np.diff(result.objective_trace) >= -1e-9).all()


def test_rows_that_nothing_depends_on_may_be_left_out() -> None:
    """A pupil who answers nothing, the last rows of a sequence: as if they were not there."""
    for case in (NORMAL, SYMBOLS, KINDS, SCHOOLS):
        lists = case.lists((4, 2))
        name = values(case)
        cut = {**lists, name: [lists[name][0][:2], lists[name][1]]}
        module = model(case.name)
        ended = gap(case, lists, {0: slice(2, None)})
        shorter = module.log_likelihood(cut, case.init)
        assert module.log_likelihood(ended, case.init) == pytest.approx(shorter, rel=1e-12)


# --- few rows ------------------------------------------------------------------------------------


@each
def test_sequences_of_one_row(case: Sequences) -> None:
    """Nothing is seen of how states change: those parameters stay; all else is a mixture's."""
    lists = case.lists((1,) * 8)
    assert exact(case, picked(lists, range(3))) == []
    result = fit(model(case.name), lists, case.init, max_iter=10)
    assert (np.diff(result.objective_trace) >= -1e-9).all()
    if "trans" in case.init:
        np.testing.assert_allclose(result.params["trans"], case.init["trans"], rtol=1e-15)


@each
def test_one_row(case: Sequences) -> None:
    """One observation has no spread; symbols may be fitted to it all the same."""
    lists = case.lists((1,))
    assert exact(case, lists) == []
    result = model(case.name).fit(lists, **sizes(case), restarts=2, progress=False)
    assert not any(np.isnan(value).any() for value in result.params.values())
    if case in (SYMBOLS, SCHOOLS):
        assert result.status == "converged"
        assert result.objective == pytest.approx(0.0, abs=1e-6)
    else:
        assert result.status == "degenerate"
        assert result.objective == np.inf
        assert "there is one observation" in result.messages[-1]


def sizes(case: Sequences) -> dict[str, int]:
    return {
        "mixture_of_hmms": {"C": 2, "K": 2},
        "multilevel_latent_class": {"H": 2, "K": 2, "V": 2},
        "hmm": {"K": 2, "V": 3},
    }.get(case.name, {"K": 2})


# --- zeros ---------------------------------------------------------------------------------------

UNVISITED = {
    "start": [0.3, 0.7, 0],
    "trans": [[0.6, 0.4, 0], [0.1, 0.9, 0], [0.25, 0.25, 0.5]],
}


@pytest.mark.parametrize(
    ("case", "own"),
    [
        (NORMAL, {"mean": [0.5, 2.25, 7.0], "sd": [1.0, 2.0, 3.0]}),
        (TREE, {"mean": [0.5, 2.25, 7.0], "sd": [1.0, 2.0, 3.0]}),
        (SYMBOLS, {"emit": [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.25, 0.5, 0.25]]}),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_a_state_that_is_never_entered(case: Sequences, own: dict[str, Any]) -> None:
    """It keeps its parameters, its zeros stay, and the others are as without it."""
    lists = case.lists()
    without = fit(model(case.name), lists, case.init)
    result = fit(model(case.name), lists, {**UNVISITED, **own}, K=3, degenerate="floor")
    assert result.objective == pytest.approx(without.objective, rel=1e-12)
    assert result.params["start"][2] == 0
    assert (result.params["trans"][:2, 2] == 0).all()
    assert result.params["trans"][2].tolist() == UNVISITED["trans"][2]
    for name, value in own.items():
        assert result.params[name][2].tolist() == value[2], name
        np.testing.assert_allclose(result.params[name][:2], without.params[name], rtol=1e-9)
    gone = "emptied: z = 2 has no data left (expected count 0.0e+00)"
    assert gone in result.messages
    given_up = fit(model(case.name), lists, {**UNVISITED, **own}, K=3)
    assert given_up.status == "degenerate"
    assert gone in given_up.messages


def test_zeros_of_transitions_stay() -> None:
    """Left to right: three states, none entered twice, for a chain and for a mixture of them."""
    zeros = np.array([[0.5, 0.3, 0.2], [0, 0.5, 0.5], [0, 0, 1]])
    start = np.array([1.0, 0, 0])
    lists = NORMAL.lists((6, 9, 4, 8))
    one = fit(
        model("normal_hmm"),
        lists,
        {"start": start, "trans": zeros, "mean": [0.0, 3.0, 1.0], "sd": [1.0, 1.0, 1.0]},
        K=3,
    )
    kinds = fit(
        model("mixture_of_hmms"),
        lists,
        {
            "weight": [0.5, 0.5],
            "start": [start, start],
            "trans": [zeros, zeros],
            "mean": [[0.0, 3.0, 1.0], [3.0, 0.0, 2.0]],
            "sd": 1.0,
        },
        K=3,
    )
    for result in (one, kinds):
        assert (np.diff(result.objective_trace) >= -1e-9).all()
        assert (result.params["start"] == start).all()
        assert (result.params["trans"][..., zeros == 0] == 0).all()
        for path in result.predict()["z"]:
            assert path[0] == 0
            assert (np.diff(path) >= 0).all()
    for z in one.posterior()["z"]:
        assert z[0].tolist() == [1, 0, 0]


def test_zeros_that_the_file_writes_down() -> None:
    """Stages are never gone back to, whatever the data."""
    module = model("left_to_right_hmm")
    lists = NORMAL.lists((6, 9, 1, 8))
    result = module.fit(lists, restarts=2, progress=False, max_iter=30)
    for path, z in zip(result.predict()["z"], result.posterior()["z"], strict=True):
        assert z[0].tolist() == [1, 0, 0]
        assert (z[:2, 2] == 0).all()  # two steps away
        assert set(np.diff(path)) <= {0, 1}


# --- places --------------------------------------------------------------------------------------

VOTES = np.random.default_rng(2).integers(2, size=(5, 3))
VOTERS: dict[str, Any] = {
    "prevalence": [0.4, 0.6],
    "confusion": [[[0.8, 0.2], [0.3, 0.7]], [[0.9, 0.1], [0.4, 0.6]], [[0.6, 0.4], [0.1, 0.9]]],
}


def votes(order: Any = range(15), rename: Any = range(5)) -> dict[str, Any]:
    item, annotator = np.divmod(np.arange(15)[np.array(order)], 3)
    return {"item": np.array(rename)[item], "annotator": annotator, "label": VOTES[item, annotator]}


def test_votes_in_any_order() -> None:
    module = model("dawid_skene")
    one = fit(module, votes(), VOTERS)
    other = fit(module, votes(np.random.default_rng(0).permutation(15), [3, 0, 4, 1, 2]), VOTERS)
    assert other.objective == pytest.approx(one.objective, rel=1e-12)
    same_params(one, other)
    truth = other.posterior()["truth"]
    np.testing.assert_allclose(truth[[3, 0, 4, 1, 2]], one.posterior()["truth"], atol=1e-9)


def test_items_twice() -> None:
    module, data = model("dawid_skene"), votes()
    twice = {name: np.tile(value, 2) for name, value in data.items()}
    twice["item"][15:] += 5
    one, other = fit(module, data, VOTERS), fit(module, twice, VOTERS)
    assert other.objective == pytest.approx(2 * one.objective, rel=1e-12)
    same_params(one, other)


def test_an_item_without_votes_is_as_likely_as_any() -> None:
    module, data = model("dawid_skene"), votes()
    more = fit(module, data, VOTERS, I=6, max_iter=0)
    assert more.objective == pytest.approx(module.log_likelihood(data, VOTERS), rel=1e-12)
    np.testing.assert_allclose(more.posterior()["truth"][5], VOTERS["prevalence"], rtol=1e-12)


def test_a_vote_that_is_missing() -> None:
    module, data = model("dawid_skene"), votes()
    gone = {**data, "label": np.where(np.arange(15) == 7, np.nan, data["label"])}
    left = {name: np.delete(value, 7) for name, value in data.items()}
    assert module.log_likelihood(gone, VOTERS) == pytest.approx(
        module.log_likelihood(left, VOTERS), rel=1e-12
    )
    same_params(fit(module, left, VOTERS), fit(module, gone, VOTERS))


def test_one_vote() -> None:
    result = model("dawid_skene").fit(
        {"item": [0], "annotator": [0], "label": [1]}, K=2, restarts=2, progress=False
    )
    assert result.status == "converged"
    assert result.objective == pytest.approx(0.0, abs=1e-6)


def test_one_patient_whose_diagnosis_is_certain() -> None:
    """Logs of probabilities of zero cancel in a log likelihood of 0: rounding is no decrease."""
    sick = {"asia": 1, "smoke": 0, "lung": 0, "bronc": np.nan, "shade": 0, "breath": 1}
    for seed in range(8):
        result = model("medical_diagnosis").fit(
            {name: [value] for name, value in sick.items()},
            seed=seed, restarts=1, tol=0.0, progress=False,
        )  # fmt: skip
        assert result.status == "converged"
        assert result.objective == pytest.approx(0.0, abs=1e-12)


# --- length --------------------------------------------------------------------------------------


def forward(x: Floats, init: Mapping[str, Any]) -> float:
    """The log likelihood of a normal HMM of two states, step by step, rescaled."""
    mean, sd = np.array(init["mean"]), np.array(init["sd"])
    density = np.exp(-0.5 * ((x[:, None] - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    (a, b), (c, d) = init["trans"]
    p, q = np.array(init["start"]) * density[0]
    scales = []
    for u, v in density[1:].tolist():
        scale = p + q
        scales.append(scale)
        p, q = (p * a + q * c) / scale * u, (p * b + q * d) / scale * v
    return float(np.log(scales).sum() + np.log(p + q))


@pytest.mark.parametrize("n", [2000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_long_chains_do_not_underflow(n: int) -> None:
    x = number(np.random.default_rng(0), n)["x"]
    module = model("normal_hmm")
    expected = forward(x, NORMAL.init)
    assert expected < -1.5 * n  # far below the smallest double's logarithm
    assert module.log_likelihood(x, NORMAL.init) == pytest.approx(expected, rel=1e-11)
    result = fit(module, x, NORMAL.init, max_iter=3)
    assert (np.diff(result.objective_trace) > 0).all()
    z = result.posterior()["z"]
    np.testing.assert_allclose(z.sum(-1), 1.0, rtol=1e-12)
    assert result.predict()["z"].shape == (n,)
