"""Covariances by volume, shape and rotation: updates and E-steps against oracles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy import stats

from emdsl.compiler import compile_source, import_text
from emdsl.derive.atoms import SizeOf
from emdsl.derive.mstep.block import Eigenvectors
from emdsl.diagnostics import CompileError
from emdsl.runtime.errors import DataError, ParamsError
from emdsl.runtime.params import check_params, neutral_params
from emdsl.source import Source
from emdsl.verify.checks import Case, check_e_step, check_fisher, check_m_step
from emdsl.verify.coordinates import jittered

N, D = 11, 3
MCLUST = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV",
          "VVV")  # fmt: skip
RNG = np.random.default_rng(5)
X = RNG.normal(size=(N, D)) @ RNG.normal(size=(D, D)) + 3 * (np.arange(N) < 5)[:, None]


def written(name: str, size: str = "D") -> str:
    """The mixture of mclust's name: volume, shape and orientation, each (E)qual, (V)arying, (I)."""
    own = [("[K]", "[z[n]]") if letter == "V" else ("", "") for letter in name]
    lines = ["model M(K = 2)", "param weight : simplex[K]", f"param mean[K] : real[{size}]"]
    lines.append(f"param volume{own[0][0]} : positive")
    scale = f"volume{own[0][1]}"
    draw = f"Normal(mean[z[n]], var = {scale})"
    if name[1] != "I":
        lines.append(f"param shape{own[1][0]} : shape[{size}]")
        draw = f"Normal(mean[z[n]], var = {scale} * shape{own[1][1]})"
    if name[2] != "I":
        lines.append(f"param rotation{own[2][0]} : orthogonal[{size}]")
        turn, shape = f"rotation{own[2][1]}", f"diag(shape{own[1][1]})"
        draw = f"MvNormal(mean[z[n]], {scale} * {turn} @ {shape} @ transpose({turn}))"
    return "\n".join((
        *lines, "for n in N:", "    latent z[n] ~ Categorical(weight)",
        f"    data x[n] : real[{size}] ~ {draw}", "",
    ))  # fmt: skip


# what is beside the mixture's own fourteen: everything else of the language that meets them
OTHERS = {
    "one mean": written("VVV").replace("mean[K]", "mean").replace("mean[z[n]]", "mean"),
    "a mean by group": written("EVE").replace("mean[z[n]]", "mean[g[n]]").replace(
        "    latent", "    input g[n] : category[K]\n    latent"),
    "standard deviations": written("VVI").replace("var = volume", "sd = volume"),
    "precisions": written("EVE").replace("], volume * ", "], precision = volume * "),
    "precisions of their own": written("VEV").replace("], volume", "], precision = volume"),
    "a number that divides": written("VEE").replace(
        "volume[z[n]] * rotation @ diag(shape) @ transpose(rotation)",
        "rotation @ diag(2 * shape) @ transpose(rotation) / volume[z[n]]"),
    "variances along axes": written("EVE").replace("volume : positive", "var[K] : positive[D]")
        .replace("volume * ", "").replace("shape[z[n]]", "var[z[n]]")
        .replace("param shape[K] : shape[D]\n", ""),
    "a rotation in two nodes": written("EVE") + """\
for m in M:
    data y[m] : real[D] ~ MvNormal(zeros[D], rotation @ diag(side) @ transpose(rotation))
param side : positive[D]
""",
    "a known rotation": written("VVE").replace("param rotation", "const rotation").replace(
        "orthogonal[D]\n", "orthogonal[3] = [[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]]\n"
        ).replace("[D]", "[3]"),
    "a known shape": written("VEE").replace("param shape", "const shape").replace(
        "shape[D]\n", "shape[3] = [0.5, 1, 2]\n").replace("[D]", "[3]"),
    "weights": written("VVE").replace("in N:", "in N times f[n]:"),
    "a hidden Markov model": written("VVE").replace("[n]", "[t]").replace("n in N", "t in T")
        .replace("Categorical(weight)",
                 "Categorical(weight) if t == 0 else Categorical(trans[z[t-1]])")
        .replace("param mean", "param trans[K] : simplex[K]\nparam mean"),
    "a prior on the volume": written("EVE").replace("volume : positive",
        "volume : positive ~ InverseGamma(3, 2)"),
}  # fmt: skip
DATA: dict[str, dict[str, Any]] = {
    "a mean by group": {"x": X, "g": np.arange(N) % 2.0},
    "a rotation in two nodes": {"x": X, "y": RNG.normal(size=(6, D)) * [1, 2, 3]},
    "weights": {"x": X, "f": RNG.uniform(0.5, 3, N)},
}
HOLED = np.where(RNG.random(X.shape) < 0.3, np.nan, X)


def case(text: str, data: dict[str, Any], seed: int = 1) -> Case:
    """The model with these data, at parameters away from everything special."""
    c = compile_source(Source(text, "m.em"))
    program = import_text(c.module, c.model.name)
    meta = program.PROGRAM.meta
    sizes = {s.name: {"D": D}.get(s.name, s.default or N) for s in meta.sizes}
    params = jittered(c.model, neutral_params(meta, sizes), np.random.default_rng(seed), 0.6)
    return Case(c, program, data, params)


def verified(found: Case) -> None:
    assert check_e_step(found) == []
    assert check_fisher(found) == []
    assert check_m_step(found, np.random.default_rng(2)) == []


@pytest.mark.parametrize("name", MCLUST)
def test_each_structure(name: str) -> None:
    verified(case(written(name), {"x": X}))


@pytest.mark.parametrize("name", OTHERS)
def test_beside_the_rest_of_the_language(name: str) -> None:
    verified(case(OTHERS[name], DATA.get(name, {"x": X})))


@pytest.mark.parametrize("name", ["EEI", "VEI", "EVI", "VVI"])
def test_missing_cells_weigh_the_entries_unlike(name: str) -> None:
    """The counts of a shape's entries differ, so that its multiplier has no closed form."""
    verified(case(written(name), {"x": HOLED}))


RULES = {
    "EVI": {"shape": "product of 1", "volume": "scalar", "mean": "affine"},
    "EEE": {"rotation": "eigenvectors"},
    "VEE": {"rotation": "eigenvectors"},
    "VEV": {"rotation": "eigenvectors", "mean": "affine"},
    "EVE": {"rotation": "plane rotations", "shape": "product of 1"},
    "VVE": {"rotation": "plane rotations"},
}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_that_solves(name: str) -> None:
    """Closed where one scatter has the columns, plane by plane where the columns have their own."""
    steps = compile_source(Source(written(name), "m.em")).derivation.m_step
    rules = {u.param: u.rule for u in steps.updates}
    assert RULES[name].items() <= rules.items()


def test_the_matrix_of_the_eigenvectors_is_the_scatter() -> None:
    """Not a multiple of it: what the columns share is taken out once."""
    derivation = compile_source(Source(written("EEV"), "m.em")).derivation
    update = next(u for u in derivation.m_step.updates if u.param == "rotation")
    assert isinstance(update.form, Eigenvectors)
    leading = [t for t in update.form.matrix.as_ordered_terms() if "x_x" in str(t)]
    assert [t.as_coeff_Mul()[0] for t in leading] == [sp.Rational(-1, 2)]
    atoms = derivation.joint.atoms.deep(leading[0])
    assert not any(isinstance(a, SizeOf) for a in atoms)


def test_the_covariance_cancels_from_a_mean_of_its_own() -> None:
    for name, cancels in (("VEV", True), ("VVE", True)):
        steps = compile_source(Source(written(name), "m.em")).derivation.m_step
        mean = next(u for u in steps.updates if u.param == "mean")
        assert (not mean.needs) is cancels
    shared = compile_source(Source(OTHERS["one mean"], "m.em")).derivation.m_step
    mean = next(u for u in shared.updates if u.param == "mean")
    assert {"volume", "shape", "rotation"} <= mean.needs


@pytest.mark.parametrize("name", ["EVE", "VVE", "EEV", "VEV", "EVV", "VEE", "EVI"])
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (1e8, 1.0), (0.0, 1e-8), (-1e4, 1e6)])
def test_no_step_lowers_the_likelihood(name: str, offset: float, scale: float) -> None:
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    x = np.concatenate([
        rng.normal(size=(60, D)) * [1, 2, 4],
        rng.normal(size=(40, D)) * [3, 1, 1] @ turn + [5, 0, 0],
    ])  # fmt: skip
    c = compile_source(Source(written(name), "m.em"))
    module = import_text(c.module, "M")
    plain = module.fit(x, seed=0, restarts=4, max_iter=3000, progress=False)
    found = module.fit(offset + scale * x, seed=0, restarts=4, max_iter=3000, progress=False)
    assert found.status == "converged", found.messages
    steps = np.diff(found.objective_trace)
    assert steps.min(initial=0.0) >= -1e-9 * abs(found.log_likelihood)
    moved = plain.log_likelihood - x.size * np.log(scale)
    assert found.log_likelihood == pytest.approx(moved, abs=1e-4)


def test_a_component_without_rows_keeps_what_it_had() -> None:
    found = case(written("VVV"), {"x": X})
    statistics = found.module.e_step(found.data, found.params)
    second = np.arange(2) == 1
    empty = {
        n: np.where(second.reshape(2, *[1] * (v.ndim - 1)), 0.0, v) if n.startswith("z") else v
        for n, v in statistics.values.items()
    }
    new = found.module.m_step(replace(statistics, values=empty), found.params)
    for name in ("volume", "shape", "rotation"):
        np.testing.assert_array_equal(new[name][1], found.params[name][1])
        assert np.isfinite(new[name]).all()


def test_a_shape_that_collapses_is_reported_and_can_be_floored() -> None:
    """Two rows on a line: along the other axes a component's shape goes to zero."""
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(size=(60, 2)), [[50.0, 3.0], [50.0, 4.0], [50.0, 6.0]]])
    c = compile_source(Source(written("VVI"), "m.em"))
    module = import_text(c.module, "M")
    init = {"z": np.repeat(np.eye(2), [60, 3], axis=0)}
    lost = module.fit(x, init=init, progress=False)
    assert lost.status == "degenerate"
    assert lost.messages[0].startswith("collapsed: shape[1, 0] has ")
    held = module.fit(x, init=init, degenerate="floor", floor=1e-4, progress=False)
    assert held.status == "converged", held.messages
    assert "floored: shape was held at 0.0001 of the data's variance" in held.messages
    np.testing.assert_allclose(held.params["shape"].prod(axis=-1), 1.0, rtol=1e-12)


def test_samples_have_the_covariance() -> None:
    from emdsl.runtime.api import sample

    c = compile_source(Source(written("EVE"), "m.em"))
    module = import_text(c.module, "M")
    turn = np.linalg.qr(np.random.default_rng(6).normal(size=(3, 3)))[0]
    params = {
        "weight": [0.5, 0.5], "mean": np.zeros((2, 3)), "volume": 4.0,
        "shape": [[0.5, 1, 2], [4, 0.5, 0.5]], "rotation": turn,
    }  # fmt: skip
    drawn = sample(module.PROGRAM, params, {"N": 40_000}, seed=0)
    for k in range(2):
        own = np.asarray(drawn["x"])[np.asarray(drawn["z"]) == k]
        cov = 4.0 * turn @ np.diag(params["shape"][k]) @ turn.T
        np.testing.assert_allclose(np.cov(own.T), cov, atol=0.25)
    density = module.log_likelihood({"x": X}, params)
    parts = [
        np.log(0.5) + stats.multivariate_normal(
            np.zeros(3), 4.0 * turn @ np.diag(s) @ turn.T).logpdf(X)
        for s in params["shape"]
    ]  # fmt: skip
    assert density == pytest.approx(np.logaddexp(*parts).sum(), rel=1e-12)


COUNTS = {
    "EII": 1, "VII": 2, "EEI": 4, "VEI": 5, "EVI": 7, "VVI": 8, "EEE": 10, "VEE": 11, "EVE": 13,
    "VVE": 14, "EEV": 16, "VEV": 17, "EVV": 19, "VVV": 20,
}  # fmt: skip  # of covariance parameters, K = 2 and D = 4: mclust's nMclustParams less the rest


@pytest.mark.parametrize("name", MCLUST)
def test_free_parameters(name: str) -> None:
    c = compile_source(Source(written(name), "m.em"))
    x = np.random.default_rng(7).normal(size=(40, 4))
    found = import_text(c.module, "M").fit(x, max_iter=1, progress=False)
    assert found.n_params == COUNTS[name] + 1 + 2 * 4


REFUSED = {
    "rotation @ diag(shape) @ rotation": "matrix-structure",
    "transpose(rotation) @ diag(shape) @ rotation": "matrix-structure",
    "rotation @ transpose(rotation)": "matrix-structure",
    "rotation @ rotation @ transpose(rotation)": "matrix-structure",
    "loadings @ diag(shape) @ transpose(loadings)": "matrix-structure",
}


def refusal(text: str) -> str:
    with pytest.raises(CompileError) as caught:
        compile_source(Source(text, "m.em"))
    return str(caught.value)


def test_what_no_rule_solves_says_so() -> None:
    """A rotation of data by least squares, and a shape as a mean: exact messages."""
    assert (
        refusal("""model M
param R : orthogonal[D]
param v : positive
for n in N:
    input u[n] : real[D]
    data x[n] : real[D] ~ Normal(R @ u[n], var = v)
""")
        == """\
m.em:2:7: error: no closed-form update of `R` (orthogonal[D]): in its share of Q the term \
`R[d, d']*R[d, d'']` stands in the way [no-closed-form]
    2 | param R : orthogonal[D]
      |       ^
  note: m.em:6:10: its density is drawn here
    6 |     data x[n] : real[D] ~ Normal(R @ u[n], var = v)
      |          ^
  help: fix it as a `const`, or let it only turn a covariance of unlike variances, as in \
`R @ diag(v) @ transpose(R)`"""
    )
    assert (
        refusal("""model M
param s : shape[D]
for n in N:
    data x[n] : real[D] ~ Normal(s, 1)
""")
        == """\
m.em:2:7: error: no closed-form update of `s` (shape[D]): in its share of Q the terms \
`s[d]^2`, `s[d]` stand in the way [no-closed-form]
    2 | param s : shape[D]
      |       ^
  note: m.em:4:10: its density is drawn here
    4 |     data x[n] : real[D] ~ Normal(s, 1)
      |          ^
  help: fix it as a `const`, or let its entries only multiply variances, as in \
`var = volume * shape`"""
    )


def test_a_rotation_of_a_sphere_is_refused() -> None:
    """Nothing depends on it, which the terms don't show one by one."""
    text = """model M
param R : orthogonal[D]
for n in N:
    data x[n] : real[D] ~ MvNormal(zeros[D], R @ eye[D] @ transpose(R))
"""
    assert "no closed-form update of `R`" in refusal(text)


GIVEN = {
    "an axis": (
        "const R : orthogonal[3] = [[1, 0, 0], [0, 1, 1], [0, 0, 1]]\nparam v : positive[3]",
        "R @ diag(v) @ transpose(R)",
        "R is [[1., 0., 0.], [0., 1., 1.], [0., 0., 1.]], expected an orthogonal matrix",
    ),
    "a shape": (
        "const s : shape[3] = [1, 2, 3]\nparam u : positive",
        "u * diag(s)",
        "s is [1., 2., 3.], expected positive numbers with a product of 1",
    ),
}


@pytest.mark.parametrize("what", GIVEN)
def test_a_const_that_is_none_is_refused_when_fitting(what: str) -> None:
    declared, cov, problem = GIVEN[what]
    text = f"""model M
{declared}
for n in N:
    data x[n] : real[3] ~ MvNormal(zeros[3], {cov})
"""
    c = compile_source(Source(text, "m.em"))
    with pytest.raises(DataError) as caught:
        import_text(c.module, "M").fit(X)
    assert list(caught.value.problems) == [problem]


def test_parameters_to_start_from_are_checked_and_made_exact() -> None:
    c = compile_source(Source(written("EVE"), "m.em"))
    module = import_text(c.module, "M")
    with pytest.raises(ParamsError) as caught:
        module.fit(X, init={"rotation": np.ones((D, D)), "shape": np.ones((2, D)) * 2})
    assert list(caught.value.problems) == [
        "shape[0] is [2., 2., 2.], expected positive numbers with a product of 1",
        "rotation is [[1., 1., 1.], [1., 1., 1.], [1., 1., 1.]], expected an orthogonal matrix",
    ]
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(D, D)))[0]
    found = check_params(
        module.PROGRAM.meta,
        {"rotation": np.round(turn, 6), "shape": [[0.333333, 1, 3], [1, 1, 1]]},
        {"D": D, "K": 2},
        partial=True,
    )
    np.testing.assert_allclose(found["rotation"].T @ found["rotation"], np.eye(D), atol=1e-15)
    np.testing.assert_allclose(found["shape"].prod(axis=-1), 1.0, rtol=1e-15)


@pytest.mark.parametrize("name", ["VVI", "EEE", "VEV", "EVE"])
@pytest.mark.parametrize("lost", ["a column", "a plane"])
def test_data_without_spread_are_reported(name: str, lost: str) -> None:
    x = np.random.default_rng(10).normal(size=(30, 3))
    x[:, 2] = 0.0 if lost == "a column" else x[:, 0] - x[:, 1]
    c = compile_source(Source(written(name), "m.em"))
    found = import_text(c.module, "M").fit(x, progress=False)
    flat = lost == "a column" or name[2] != "I"
    assert (found.status == "degenerate") is flat


@pytest.mark.parametrize("cov", REFUSED)
def test_other_products_are_refused(cov: str) -> None:
    text = f"""model M
param rotation : orthogonal[D]
param loadings : real[D, D]
param shape : shape[D]
for n in N:
    data x[n] : real[D] ~ MvNormal(zeros[D], {cov})
"""
    with pytest.raises(CompileError) as caught:
        compile_source(Source(text, "m.em"))
    assert REFUSED[cov] in {d.code for d in caught.value.diagnostics}


def test_what_is_fixed_stays_and_is_not_counted() -> None:
    """One shape of two and the rotation held: the rest is at its maximum given these."""
    x = np.concatenate([X, X[:5] * 2, RNG.normal(size=(20, D)) * [1, 2, 3]])
    module = import_text(compile_source(Source(written("VVE"), "m.em")).module, "M")
    turn = np.linalg.qr(np.random.default_rng(11).normal(size=(D, D)))[0]
    shapes = np.array([[0.5, 1.0, 2.0], [np.nan] * D])
    fix = {"rotation": turn, "shape": shapes}
    found = module.fit(x, fix=fix, seed=0, restarts=5, max_iter=2000, progress=False)
    assert found.status == "converged", found.messages
    np.testing.assert_array_equal(found.params["rotation"], turn)
    np.testing.assert_array_equal(found.params["shape"][0], shapes[0])
    assert found.params["shape"][1].prod() == pytest.approx(1.0, rel=1e-12)
    assert found.n_params == 1 + 2 * D + 2 + (D - 1)
    steps = np.diff(found.objective_trace)
    assert steps.min() >= -1e-9 * abs(found.log_likelihood)
    free = module.fit(x, fix={"weight": [0.5, 0.5]}, max_iter=3, progress=False)
    assert free.n_params == 2 * D + 2 + 2 * (D - 1) + D * (D - 1) // 2


def test_a_part_of_a_shape_or_rotation_cannot_be_fixed() -> None:
    module = import_text(compile_source(Source(written("VVE"), "m.em")).module, "M")
    with pytest.raises(ParamsError) as caught:
        module.fit(X, fix={"shape": [[1.0, np.nan, np.nan], [np.nan] * D],
                           "rotation": np.where(np.eye(D) == 1, 1.0, np.nan)})  # fmt: skip
    some = "{} in fix has some entries, expected all of a {} or none: an entry of {} can't be fixed"
    assert list(caught.value.problems) == [
        some.format("shape[0]", "vector", "a shape") + " by itself",
        some.format("rotation", "matrix", "an orthogonal matrix") + " by itself",
    ]


def test_two_rotations_that_are_one() -> None:
    """`constrain` of whole params: the shared rotation of a mixture, in two names."""
    both = OTHERS["a rotation in two nodes"]
    apart = both.replace("rotation @ diag(side) @ transpose(rotation)",
                         "other @ diag(side) @ transpose(other)")  # fmt: skip
    tied = f"{apart}param other : orthogonal[D]\nconstrain other == rotation\n"
    data = DATA["a rotation in two nodes"]
    fits = [
        import_text(compile_source(Source(text, "m.em")).module, "M").fit(
            data, seed=0, max_iter=200, tol=0.0, progress=False)
        for text in (both, tied)
    ]  # fmt: skip
    assert fits[1].log_likelihood == pytest.approx(fits[0].log_likelihood, rel=1e-9)
    assert fits[1].n_params == fits[0].n_params


def test_rows_of_a_shape_are_not_tied() -> None:
    text = written("EVI") + "constrain shape[0] == shape[1]\n"
    assert "no update of `shape` (shape[D]) under `shape[0] == shape[1]`" in refusal(text)


PLAIN = {
    "EEE": ("param cov : posdef[D]", "cov"),
    "VVV": ("param cov[K] : posdef[D]", "cov[z[n]]"),
    "VVI": ("param cov[K] : positive[D]", "diag(cov[z[n]])"),
    "VEE": ("param cov : posdef[D]\nparam v[K] : positive", "v[z[n]] * cov"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_covariance_in_one_piece_has_the_same_maximum(name: str) -> None:
    declared, cov = PLAIN[name]
    plain = f"""model M(K = 2)
param weight : simplex[K]
param mean[K] : real[D]
{declared}
for n in N:
    latent z[n] ~ Categorical(weight)
    data x[n] : real[D] ~ MvNormal(mean[z[n]], {cov})
"""
    rng = np.random.default_rng(12)
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    x = np.concatenate([
        rng.normal(size=(80, D)) * [1, 2, 3] @ turn, rng.normal([6, 0, 0], 1, size=(60, D)),
    ])  # fmt: skip
    init = {"z": np.repeat(np.eye(2), [80, 60], axis=0)}
    fits = [
        import_text(compile_source(Source(text, "m.em")).module, "M").fit(
            x, init=init, tol=1e-13, max_iter=3000, progress=False)
        for text in (plain, written(name))
    ]  # fmt: skip
    assert fits[1].log_likelihood == pytest.approx(fits[0].log_likelihood, abs=1e-6)
    assert fits[1].n_params == fits[0].n_params - (name == "VEE")  # whose scale is open
