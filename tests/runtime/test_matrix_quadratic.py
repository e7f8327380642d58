"""A covariance with a precision's prior, or the other way round: a quadratic in the matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from emdsl.compiler import compile_source, load
from emdsl.runtime.matrix_quadratic import matrix_quadratic
from emdsl.source import Source

RNG = np.random.default_rng(8)
X = RNG.multivariate_normal([1, 0, -1], [[2, 0.5, 0], [0.5, 1, 0.3], [0, 0.3, 0.5]], 40)


def random_matrix(rank: int = 3) -> np.ndarray:
    root = RNG.normal(size=(3, rank))
    return root @ root.T


@pytest.mark.parametrize("a", [-5.0, 0.0, 7.0, -1e6, 1e6])
@pytest.mark.parametrize("ranks", [(3, 3), (1, 3), (3, 1)])
def test_the_solution_solves_and_is_definite(a: float, ranks: tuple[int, int]) -> None:
    """With one matrix short of rank the log determinant has to keep the solution off that end."""
    m, n = (random_matrix(r) for r in ranks)
    s = matrix_quadratic(np.array(a), m, n)
    if (ranks == (1, 3) and a >= 0) or (ranks == (3, 1) and a <= 0):  # it goes to infinity, to 0
        assert np.linalg.cond(s) > 1e7
        return
    scale = np.abs(s @ m @ s).max() + abs(a) * np.abs(s).max() + np.abs(n).max()
    np.testing.assert_allclose(s @ m @ s - a * s - n, 0, atol=1e-9 * scale)
    np.testing.assert_allclose(s, s.T, rtol=1e-9, atol=1e-12 * np.abs(s).max())
    assert np.all(np.linalg.eigvalsh(s) > 0)


def test_many_at_once_and_one_without_a_solution() -> None:
    m = np.stack([random_matrix(), np.zeros((3, 3)), random_matrix()])
    n = np.stack([random_matrix(), np.zeros((3, 3)), random_matrix()])
    s = matrix_quadratic(np.array([1.0, 1.0, -2.0]), m, n)
    assert np.isnan(s[1]).all()
    for k, a in ((0, 1.0), (2, -2.0)):
        np.testing.assert_allclose(s[k] @ m[k] @ s[k] - a * s[k] - n[k], 0, atol=1e-9)


PRIORS = {
    "Wishart(6, eye[D])": ("MvNormal(m, S)", stats.wishart(6, np.eye(3)), False),
    "InverseWishart(6, eye[D])": (
        "MvNormal(m, precision = S)", stats.invwishart(6, np.eye(3)), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("prior", PRIORS)
def test_the_posterior_is_highest_there(prior: str) -> None:
    drawn, frozen, inverted = PRIORS[prior]
    text = (
        f"model M\nparam m : real[D]\nparam S : posdef[D] ~ {prior}\n"
        f"for n in N:\n    data x[n] : real[D] ~ {drawn}\n"
    )
    found = load(Source(text, "m.em")).fit(X)

    def lack(free: np.ndarray) -> float:
        root = np.zeros((3, 3))
        root[np.tril_indices(3)] = free
        root[np.diag_indices(3)] = np.exp(np.diag(root))
        s = root @ root.T
        cov = np.linalg.inv(s) if inverted else s
        likelihood = stats.multivariate_normal(X.mean(axis=0), cov).logpdf(X).sum()
        return -float(likelihood + frozen.logpdf(s))

    best = minimize(lack, np.zeros(6), method="BFGS", options={"gtol": 1e-7})
    assert found.objective == pytest.approx(-best.fun, abs=1e-7)
    assert found.log_prior == pytest.approx(float(frozen.logpdf(found.params["S"])), rel=1e-9)


def test_too_few_data_for_a_prior_that_lets_it_collapse() -> None:
    """Wishart(4) adds half a log determinant, two observations take off one: it goes to 0."""
    text = (
        "model M\nparam m : real[D]\nparam S : posdef[D] ~ Wishart(4, eye[D])\n"
        "for n in N:\n    data x[n] : real[D] ~ MvNormal(m, S)\n"
    )
    found = load(Source(text, "m.em")).fit(X[:2])
    assert found.status == "degenerate"
    assert any(m.startswith("collapsed: S") for m in found.messages)


def test_the_record_names_the_equation() -> None:
    text = (
        "model M\nparam m : real[D]\nparam S : posdef[D] ~ Wishart(6, eye[D])\n"
        "for n in N:\n    data x[n] : real[D] ~ MvNormal(m, S)\n"
    )
    updates = compile_source(Source(text, "m.em")).derivation.m_step.updates
    (update,) = (u for u in updates if u.param == "S")
    assert update.rule == "matrix quadratic"
    assert "stationary: S M S - a S - N = 0, quadratic in the eigenvalues" in update.record
