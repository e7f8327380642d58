"""Sampling of chains, trees, ragged plates and gathers: frequencies against exact numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from emdsl import runtime as rt
from emdsl.backends.functions import function
from emdsl.backends.standalone import standalone
from emdsl.compiler import compile_source, families_of, import_text, load
from emdsl.lower.density import log_density
from emdsl.lower.draw_order import in_rows
from emdsl.lower.draws import Sampling
from emdsl.lower.module import python_names
from emdsl.model.build import build
from emdsl.runtime import numerics as nm
from emdsl.runtime import sampling
from emdsl.source import Source
from emdsl.syntax.parse import parse
from tests.golden.regenerate import MODELS, NAMES

START = np.array([0.7, 0.3])
TRANS = np.array([[0.9, 0.1], [0.4, 0.6]])
EMIT = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])


def code(text: str) -> str:
    """The `draw` function that a model is printed as, without asking for an E-step."""
    source = Source(text, "test.em")
    model, _ = build(parse(source), source)
    names, families = python_names(model), families_of(model)
    functions = [log_density(d, names) for d in model.densities]
    functions.append(Sampling(model, names, families).function())
    return "\n\n".join("\n".join(function(f)) for f in functions)


def draw(
    text: str,
    params: Mapping[str, Any],
    sizes: Mapping[str, int],
    *,
    lengths: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    space: dict[str, Any] = {
        "rt": rt, "nm": nm, "np": np, "sampling": sampling, "Mapping": Mapping, "Any": Any,
    }  # fmt: skip
    exec(code(text), space)  # what the compiler itself wrote
    layout = rt.Layout(sizes, lengths={k: np.asarray(v) for k, v in (lengths or {}).items()})
    arrays = {k: np.asarray(v, dtype=float) for k, v in params.items()}
    found: dict[str, Any] = space["draw"](arrays, layout, np.random.default_rng(seed), given or {})
    return found


def table(*columns: Any) -> Any:
    """Frequencies of the values that columns of whole numbers have together."""
    shape = tuple(int(c.max()) + 1 for c in columns)
    counts = np.zeros(shape)
    np.add.at(counts, tuple(columns), 1)
    return counts


def agree(counts: Any, probability: Any) -> None:
    """Counts of draws (..., V) within five standard errors of their probabilities."""
    n = counts.sum(axis=-1, keepdims=True)
    sd = np.sqrt(n * probability * (1 - probability))
    assert np.all(np.abs(counts - n * probability) <= 5 * sd + 1e-9)


HMM = (MODELS / "hmm.em").read_text(encoding="utf-8")
HMM_PARAMS = {"start": START, "trans": TRANS, "emit": EMIT}


def test_hidden_markov_model_of_ragged_sequences() -> None:
    lengths = np.random.default_rng(5).integers(0, 9, size=20_000)
    sizes = {"K": 2, "S": len(lengths), "V": 3}
    found = draw(HMM, HMM_PARAMS, sizes, lengths={"t": lengths})
    z, x = found["z"], found["x"]
    assert z.shape == x.shape == (lengths.sum(),)
    _, t = sampling.places(len(lengths), lengths)
    marginal = START
    for time in range(8):
        agree(np.bincount(z[t == time], minlength=2), marginal)
        marginal = marginal @ TRANS
    later = np.flatnonzero(t > 0)
    agree(table(z[later - 1], z[later]), TRANS)
    agree(table(z, x), EMIT)


def test_the_same_seed_draws_the_same() -> None:
    sizes, lengths = {"K": 2, "S": 4, "V": 3}, {"t": [3, 0, 5, 1]}
    one, two, other = (draw(HMM, HMM_PARAMS, sizes, lengths=lengths, seed=s) for s in (1, 1, 2))
    assert all(np.array_equal(one[k], two[k]) for k in one)
    assert any(not np.array_equal(one[k], other[k]) for k in one)
    none = draw(HMM, HMM_PARAMS, {**sizes, "S": 0}, lengths={"t": np.zeros(0, int)})
    assert none["z"].shape == (0,)


@pytest.mark.parametrize("order", ["s t", "t s"])
def test_rectangular_chains_with_time_outside_or_inside(order: str) -> None:
    one, two = order.split()
    text = f"""
model Chains(K = 2)
param start : simplex[K]
param trans[K] : simplex[K]
param mean[J, K] : real
for {one} in {one.upper()}:
    for {two} in {two.upper()}:
        latent z[{one}, {two}] ~ Categorical(start) if t == 0 else Categorical(trans[z[{
        ", ".join(a.replace("t", "t-1") for a in (one, two))
    }]])
        for j in J:
            data x[{one}, {two}, j] ~ Normal(mean[j, z[{one}, {two}]], 0.1)
"""
    mean = np.array([[0.0, 5.0], [10.0, 20.0], [-3.0, 3.0]])
    params = {"start": START, "trans": TRANS, "mean": mean}
    found = draw(text, params, {"K": 2, "S": 4000, "T": 5, "J": 3})
    z, x = found["z"], found["x"]
    assert z.shape == ((4000, 5) if order == "s t" else (5, 4000))
    assert x.shape == (*z.shape, 3)
    assert np.abs(x - mean.T[z]).max() < 1.0
    z = z if order == "s t" else z.T
    for time in range(5):
        agree(np.bincount(z[:, time]), START @ np.linalg.matrix_power(TRANS, time))
    agree(table(z[:, :-1].ravel(), z[:, 1:].ravel()), TRANS)


def test_autoregression_of_the_second_order() -> None:
    text = """
model Auto
param a, b, sd : real
for s in S:
    for t in T[s]:
        data x[s, t] ~ case t:
            0: Normal(0, 1)
            1: Normal(a * x[s, t-1], sd)
            else: Normal(a * x[s, t-1] + b * x[s, t-2], sd)
"""
    lengths = np.full(300, 60)
    lengths[:50] = 1
    params = {"a": 0.5, "b": -0.3, "sd": 0.8}
    x = draw(text.replace(", sd : real", " : real\nparam sd : positive"), params, {"S": 300},
             lengths={"t": lengths})["x"]  # fmt: skip
    _, t = sampling.places(300, lengths)
    late = np.flatnonzero(t > 1)
    past = np.stack([x[late - 1], x[late - 2]], axis=1)
    coefficients, residual, *_ = np.linalg.lstsq(past, x[late], rcond=None)
    assert coefficients == pytest.approx([0.5, -0.3], abs=0.05)
    assert np.sqrt(residual[0] / len(late)) == pytest.approx(0.8, abs=0.03)
    second = np.flatnonzero(t == 1)
    slope = x[second - 1] @ x[second] / (x[second - 1] @ x[second - 1])
    assert slope == pytest.approx(0.5, abs=0.25)
    assert np.std(x[t == 0]) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("plates", ["for t in T:\n    ", "for s in S:\n    for t in T:\n        "])
def test_a_choice_between_values_reads_no_lag_before_the_start(plates: str) -> None:
    index = "t" if "s in" not in plates else "s, t"
    text = f"""
model Value
param a : real
{plates}data x[{index}] ~ Normal(10 if t == 0 else a * log(x[{index}-1]), 0.001)
"""
    with np.errstate(all="ignore"):
        x = draw(text, {"a": 4.0}, {"S": 3, "T": 4})["x"]
    exact = [10.0]
    for _ in range(3):
        exact.append(4.0 * np.log(exact[-1]))
    np.testing.assert_allclose(np.broadcast_to(exact, x.shape), x, atol=0.03)


def test_coupled_chains_and_data_that_feed_back() -> None:
    """z depends on the data before, w on its own past and on z now: one chain of joint states."""
    text = """
model Coupled(K = 2)
param start : simplex[K]
param first : simplex[K]
param move[K, K] : simplex[K]
param turn[K, K] : simplex[K]
param emit[K, K] : simplex[K]
for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(move[z[s, t-1], y[s, t-1]])
        latent w[s, t] ~ Categorical(first) if t == 0 else Categorical(turn[w[s, t-1], z[s, t]])
        data y[s, t] : category[K] ~ Categorical(emit[z[s, t], w[s, t]])
"""
    rng = np.random.default_rng(3)
    move, turn, emit = rng.dirichlet([2.0, 2.0], size=(3, 2, 2))
    first = np.array([0.2, 0.8])
    params = {"start": START, "first": first, "move": move, "turn": turn, "emit": emit}
    lengths = np.r_[np.full(30_000, 4), np.full(20_000, 2)]
    sizes = {"K": 2, "S": len(lengths)}
    found = draw(text, params, sizes, lengths={"t": lengths})
    _, t = sampling.places(len(lengths), lengths)
    joint = np.einsum("z,w,zwy->zwy", START, first, emit)
    for time in range(4):
        counts = table(*(found[k][t == time] for k in ("z", "w", "y")))
        agree(counts.ravel(), joint.ravel())
        joint = np.einsum("zwy,zyu,wuv,uvx->uvx", joint, move, turn, emit)


def test_a_group_of_chains_at_two_levels() -> None:
    """x[s, t, j] depends on z[s, t], which depends on x[s, t-1, 0]."""
    text = """
model Levels
param emit[2] : unit
for s in S:
    for t in T[s]:
        latent z[s, t] ~ Bernoulli(0.5) if t == 0 else Bernoulli(0.9 if x[s, t-1, 0] else 0.2)
        for j in J:
            data x[s, t, j] : bool ~ Bernoulli(emit[z[s, t]])
"""
    emit = np.array([0.3, 0.8])
    lengths = np.random.default_rng(0).integers(0, 5, size=20_000)
    found = draw(text, {"emit": emit}, {"S": 20_000, "J": 2}, lengths={"t": lengths})
    z, x = found["z"], found["x"]
    assert x.shape == (lengths.sum(), 2)
    _, t = sampling.places(20_000, lengths)
    later = np.flatnonzero(t > 0)
    up = np.array([0.2, 0.9])
    agree(table(x[later - 1, 0], z[later]), np.stack([1 - up, up], axis=1))
    for j in range(2):
        agree(table(z, x[:, j]), np.stack([1 - emit, emit], axis=1))


TREE = """
model Tree(K = 2)
param start : simplex[K]
param trans[K] : simplex[K]
for n in N:
    input parent[n] : index[N]
    input root[n] : bool
    latent z[n] ~ Categorical(start) if root[n] else Categorical(trans[z[parent[n]]])
    data x[n] ~ Normal(z[n], 1)
"""


def tree(n: int, seed: int) -> tuple[Any, Any]:
    """Parents in no order whatever, and which are roots."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(n)
    parent = np.empty(n, int)
    parent[label] = label[(rng.random(n) * np.arange(n)).astype(int)]
    root = np.zeros(n, bool)
    root[label[0]] = True
    return parent, root


def test_trees_are_drawn_from_the_root_down_in_any_order_of_rows() -> None:
    parent, root = tree(60_000, 1)
    given = {"parent": parent, "root": root}
    params = {"start": START, "trans": TRANS}
    z = draw(TREE, params, {"K": 2, "N": 60_000}, given=given)["z"]
    agree(table(z[parent[~root]], z[~root]), TRANS)
    steady = draw(TREE, {"start": [0, 1], "trans": np.eye(2)}, {"K": 2, "N": 60_000}, given=given)
    assert np.all(steady["z"] == 1)


def test_parents_in_a_circle_are_refused() -> None:
    given = {"parent": np.array([0, 2, 1]), "root": np.array([True, False, False])}
    with pytest.raises(ValueError, match="parents of row 1 lead round in a circle"):
        draw(TREE, {"start": START, "trans": TRANS}, {"K": 2, "N": 3}, given=given)


def test_roots_that_point_to_nothing() -> None:
    text = TREE.replace("if root[n]", "if parent[n] < 0")
    given = {"parent": np.array([2, -1, 1, -1]), "root": np.zeros(4, bool)}
    params = {"start": [0, 1], "trans": np.eye(2)}
    z = draw(text, params, {"K": 2, "N": 4}, given=given)["z"]
    assert np.array_equal(z, [1, 1, 1, 1])
    with pytest.raises(ValueError, match="parent of row 1 is -1, expected one of 4 rows"):
        draw(TREE, params, {"K": 2, "N": 4}, given=given)


def test_a_root_whose_parent_is_anything() -> None:
    """What the choice keeps from being read doesn't count as a parent."""
    given = {"parent": np.array([1, 0, 1]), "root": np.array([True, False, False])}
    z = draw(TREE, {"start": [0, 1], "trans": np.eye(2)}, {"K": 2, "N": 3}, given=given)["z"]
    assert np.array_equal(z, [1, 1, 1])


def test_a_pedigree_of_two_parents_in_each_of_many_families() -> None:
    text = """
model Pedigree
param p : unit
for f in F:
    for n in N:
        input mother[f, n] : index[N]
        input father[f, n] : index[N]
        input founder[f, n] : bool
        latent g[f, n] ~ Bernoulli(p) if founder[f, n] else
            Bernoulli((g[f, mother[f, n]] + g[f, father[f, n]]) / 2)
        data x[f, n] ~ Normal(g[f, n], 0.001)
"""
    text = text.replace(" else\n            ", " else ")
    mother, father = np.array([0, 1, 2, 0, 3, 0, 1, 2]), np.array([0, 1, 2, 1, 2, 0, 1, 1])
    families = 10_000
    founder = (np.arange(8) < 3) | (np.arange(8) == 5) | (np.arange(8) == 6)
    given = {
        k: np.broadcast_to(v, (families, 8))
        for k, v in (("mother", mother), ("father", father), ("founder", founder))
    }
    found = draw(text, {"p": 0.3}, {"F": families, "N": 8}, given=given)
    g = found["g"]
    assert g.shape == (families, 8)
    np.testing.assert_allclose(found["x"], g, atol=0.01)
    for child in (3, 4, 7):
        pair = g[:, mother[child]] + g[:, father[child]]
        up = np.array([0.0, 0.5, 1.0])
        agree(table(pair, g[:, child]), np.stack([1 - up, up], axis=1))


def test_lags_that_an_input_guards_must_exist() -> None:
    text = """
model Marked
param a : real
for t in T:
    input starts[t] : bool
    data x[t] ~ Normal(100, 1) if starts[t] else Normal(x[t-1] + a, 0.001)
"""
    marks = np.array([True, False, False, True, False])
    x = draw(text, {"a": 1.0}, {"T": 5}, given={"starts": marks})["x"]
    np.testing.assert_allclose(np.diff(x)[[0, 1, 3]], 1.0, atol=0.01)
    with pytest.raises(ValueError, match="reaches back before the start"):
        draw(text, {"a": 1.0}, {"T": 5}, given={"starts": ~marks})


def test_gathers_into_ragged_plates_and_inputs_in_them() -> None:
    text = """
model Gathers
param mean[2] : real
param slope : real
for s in S:
    latent u[s] ~ Normal(0, 10)
    for t in T[s]:
        input c[s, t] : real
        latent z[s, t] ~ Bernoulli(0.5) if t == 0 else Bernoulli(1 - z[s, t-1])
        data x[s, t] ~ Normal(u[s] + slope * c[s, t] + t, 0.001)
        for j in J:
            data y[s, t, j] : real[2] ~ Normal(mean[z[s, t]] + j, 0.001)
    for m in M:
        latent v[s, m] ~ Bernoulli(0.5) if m == 0 else Bernoulli(1 - v[s, m-1])
for r in R:
    input seq[r] : index[S]
    input pos[r] : index[M]
    data w[r] ~ Normal(mean[z[seq[r], 0]] + v[seq[r], pos[r]], 0.001)
"""
    lengths = np.array([3, 1, 4])
    rng = np.random.default_rng(0)
    given = {"c": rng.normal(size=8), "seq": np.array([2, 0, 2, 1]), "pos": np.array([3, 2, 0, 0])}
    params = {"mean": [5.0, -5.0], "slope": 2.0}
    sizes = {"S": 3, "J": 2, "R": 4, "M": 5}
    found = draw(text, params, sizes, lengths={"t": lengths}, given=given)
    s, t = sampling.places(3, lengths)
    np.testing.assert_allclose(found["x"], found["u"][s] + 2 * given["c"] + t, atol=0.01)
    z = found["z"]
    assert found["y"].shape == (8, 2, 2)
    near = np.array([5.0, -5.0])[z][:, None, None] + np.arange(2)[:, None]
    np.testing.assert_allclose(found["y"], np.broadcast_to(near, (8, 2, 2)), atol=0.01)
    first = np.array([0, 3, 4])
    near = np.array([5.0, -5.0])[z[first[given["seq"]]]]
    near = near + found["v"][given["seq"], given["pos"]]
    np.testing.assert_allclose(found["w"], near, atol=0.01)
    assert z[0] != z[1]
    assert np.array_equal(z[4:], (z[4] + np.arange(4)) % 2)


def test_rectangular_plates_within_ragged_ones_and_ragged_within_ragged() -> None:
    text = """
model Panel
param a : real
for g in G:
    for n in N[g]:
        for t in T:
            input c[g, n, t] : real
            data x[g, n, t] ~ Normal(c[g, n, t], 0.001) if t == 0 else
                Normal(a * x[g, n, t-1], 0.001)
        for w in W[n]:
            data y[g, n, w] : real[2] ~ Normal(x[g, n, 0] + w, 0.001)
"""
    text = text.replace(" else\n                ", " else ")
    lengths = {"n": np.array([2, 0, 1]), "w": np.array([1, 3, 0])}
    c = np.random.default_rng(0).normal(size=(3, 4))
    found = draw(text, {"a": 0.5}, {"G": 3, "T": 4}, lengths=lengths, given={"c": c})
    exact = c[:, :1] * 0.5 ** np.arange(4)
    np.testing.assert_allclose(found["x"], exact, atol=0.01)
    np.testing.assert_allclose(
        found["y"][:, 1], c[[0, 1, 1, 1], 0] + np.array([0, 0, 1, 2]), atol=0.02
    )


def test_a_grid_is_drawn_along_its_diagonals() -> None:
    text = """
model Grid
for i in I:
    for j in J:
        data x[i, j] ~ case i:
            0: Normal(1, 0.0001) if j == 0 else Normal(x[i, j-1], 0.0001)
            else: Normal(x[i-1, j], 0.0001) if j == 0 else Normal(x[i-1, j] + x[i, j-1], 0.0001)
"""
    x = draw(text, {}, {"I": 4, "J": 5})["x"]
    exact = np.ones((4, 5))
    for i in range(1, 4):
        for j in range(1, 5):
            exact[i, j] = exact[i - 1, j] + exact[i, j - 1]
    np.testing.assert_allclose(x, exact, atol=0.1)


def test_densities_of_the_file_and_event_axes_row_by_row() -> None:
    text = """
density Bump(x : real; m : real) = exp(-abs(x - m) * 1000) * 500
model Own
param A : real[2, 2]
for s in S:
    for t in T[s]:
        latent v[s, t] : real[2] ~ MvNormal([1, 0], 0.0001 * eye[2]) if t == 0 else
            MvNormal(A @ v[s, t-1], 0.0001 * eye[2])
        data x[s, t] ~ Bump(1) if t == 0 else Bump(x[s, t-1] + 1)
        data q[s, t] : count ~ Poisson(1000 * v[s, t, 0] ^ 2)
"""
    text = text.replace(" else\n            ", " else ")
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    lengths = np.array([1, 4, 0, 3])
    found = draw(text, {"A": turn}, {"S": 4}, lengths={"t": lengths})
    _, t = sampling.places(4, lengths)
    exact = np.stack([np.linalg.matrix_power(turn, k) @ [1, 0] for k in t])
    np.testing.assert_allclose(found["v"], exact, atol=0.1)
    np.testing.assert_allclose(found["x"], 1 + t, atol=0.05)
    np.testing.assert_allclose(found["q"], 1000 * found["v"][:, 0] ** 2, atol=200)


def test_lags_into_other_chains_and_inputs_are_drawn_at_once() -> None:
    text = """
model Lagged
param a, b : real
for s in S:
    for t in T[s]:
        input c[s, t] : real
        latent z[s, t] ~ Bernoulli(0.5)
        data x[s, t] ~ Normal(100, 0.001) if t < 2 else Normal(a * z[s, t-1] + b * c[s, t-2], 0.001)
        data y[s, t] ~ Normal(0 if t == 0 else x[s, t-1], 0.001)
"""
    lengths = np.array([5, 1, 0, 3])
    c = np.random.default_rng(0).normal(size=9)
    found = draw(text, {"a": 2.0, "b": 3.0}, {"S": 4}, lengths={"t": lengths}, given={"c": c})
    _, t = sampling.places(4, lengths)
    rows = np.arange(9)
    near = np.where(t < 2, 100.0, 2 * found["z"][rows - 1] + 3 * c[rows - 2])
    np.testing.assert_allclose(found["x"], near, atol=0.01)
    before = np.where(t == 0, 0.0, found["x"][rows - 1])
    np.testing.assert_allclose(found["y"], before, atol=0.01)
    assert "for " not in code(text).split('"""')[2]


def test_names_of_the_model_that_generated_code_might_use() -> None:
    text = """
model Names
param now, yes, depth, _ : real
for s in S:
    for t in T[s]:
        input no[s, t] : real
        data first_t[s, t] ~ Normal(now, 0.001) if t == 0 else
            Normal(first_t[s, t-1] + yes + depth + _ + no[s, 0], 0.001)
"""
    text = text.replace(" else\n            ", " else ")
    params = {"now": 1.0, "yes": 2.0, "depth": 3.0, "_": 4.0}
    given = {"no": np.array([5.0, 0.0, 0.0, 6.0, 0.0])}
    x = draw(text, params, {"S": 2}, lengths={"t": [3, 2]}, given=given)["first_t"]
    np.testing.assert_allclose(x, [1, 15, 29, 1, 16], atol=0.02)


def test_a_standalone_module_carries_what_it_samples_with() -> None:
    """Another model's module with this `draw` in it."""
    path = MODELS / "normal.em"
    module = compile_source(Source(path.read_text(encoding="utf-8"), str(path))).module
    before, rest = module.split("def draw(")
    text = f"{before}{code(TREE)}\n\n\nPROGRAM = {rest.split('PROGRAM = ')[1]}"
    alone = standalone(text)
    assert "import emdsl" not in alone
    assert "from emdsl" not in alone
    module_draw = import_text(alone, "Alone").draw
    parent, root = tree(50, 2)
    params, given = {"start": START, "trans": TRANS}, {"parent": parent, "root": root}
    layout = rt.Layout({"K": 2, "N": 50})
    two = module_draw(params, layout, np.random.default_rng(0), given)
    one = draw(TREE, params, layout.sizes, given=given)
    assert all(np.array_equal(one[k], two[k]) for k in one)


def test_what_has_no_order_says_so() -> None:
    text = """
model Jump
param a : real
for t in T:
    input k[t] : index[T]
    data x[t] ~ Normal(0, 1) if t == 0 else Normal(a * x[t-1] + x[k[t]], 1)
"""
    with pytest.raises(ValueError, match="can't sample this model: `x` refers to `x` at another"):
        draw(text, {"a": 0.5}, {"T": 3}, given={"k": np.zeros(3, int)})


@pytest.mark.parametrize("name", NAMES)
def test_models_without_any_of_it_are_drawn_as_whole_arrays(name: str) -> None:
    source = Source((MODELS / f"{name}.em").read_text(encoding="utf-8"), name)
    model, _ = build(parse(source), source)
    assert not in_rows(model)


def test_constant_probabilities() -> None:
    """An argument without any parameter or plate in it still has a value for each category."""
    text = (
        "model M(K = 3)\nfor n in N:\n    latent z[n] : category[K] ~ Categorical(1/K * ones[K])\n"
    )
    text += "    data x[n] ~ Normal(mu[z[n]], 1)\n"
    text = text.replace("for n", "param mu[K] : real\nfor n", 1)
    module = load(Source(text, "m.em"))
    drawn = module.sample({"mu": [0.0, 1.0, 2.0]}, 9000, seed=0)["z"]
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 9000, 1 / 3, atol=0.03)
