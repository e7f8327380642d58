"""Normal posteriors against dense algebra, differences of the log integral, and draws."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from emdsl import runtime as rt
from emdsl.runtime.how import Best, Draw

PAIRS = ((0, 0), (0, 1), (1, 1))


def problem(
    rng: np.random.Generator,
    sizes: tuple[int, ...],
    lead: tuple[int, ...],
    rows: int,
    own: tuple[int, ...],
    last: int,
) -> tuple[tuple[Any, ...], dict[tuple[int, int], Any]]:
    """Random natural parameters; the squares have the states `own` and `last` rows."""
    total = sum(sizes)
    root = rng.normal(size=(*own, last, total, total + 2))
    precision = root @ np.swapaxes(root, -1, -2) + 0.1 * np.eye(total)
    lean = rng.normal(size=precision.shape)  # what isn't symmetric says nothing
    ends = np.cumsum([0, *sizes])
    squares = {}
    for i in range(len(sizes)):
        for j in range(i, len(sizes)):
            part = -precision[..., ends[i] : ends[i + 1], ends[j] : ends[j + 1]]
            if i == j:
                skew = lean[..., ends[i] : ends[i + 1], ends[i] : ends[i + 1]]
                part = 0.5 * part + skew - np.swapaxes(skew, -1, -2)
            squares[i, j] = np.moveaxis(part, -3, -1)
    linears = tuple(rng.normal(size=(*lead, n, rows)) for n in sizes)
    return linears, squares


def dense(linears: Any, squares: Any) -> tuple[Any, Any, Any]:
    """The log integral, mean (S..., B, D) and covariance (S..., B, D, D), matrix by matrix."""
    sizes = [x.shape[-2] for x in linears]
    lead = np.broadcast_shapes(*(x.shape[:-2] for x in linears), *(
        x.shape[:-3] for x in squares.values()))  # fmt: skip
    rows = max(x.shape[-1] for x in (*linears, *squares.values()))
    ends = np.cumsum([0, *sizes])
    total = ends[-1]
    coefficient = np.zeros((*lead, rows, total, total))
    for (i, j), x in squares.items():
        coefficient[..., ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = np.moveaxis(x, -1, -3)
    precision = -(coefficient + np.swapaxes(coefficient, -1, -2))
    b = np.concatenate(
        [np.broadcast_to(np.swapaxes(x, -1, -2), (*lead, rows, n))
         for x, n in zip(linears, sizes, strict=True)], axis=-1)  # fmt: skip
    covariance = np.linalg.inv(precision)
    mean = np.linalg.solve(precision, b[..., None])[..., 0]
    message = 0.5 * (b * mean).sum(axis=-1) + 0.5 * total * np.log(2 * np.pi)
    message -= 0.5 * np.linalg.slogdet(precision)[1]
    return message, mean, covariance


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    states=st.sampled_from([(), (2,), (3, 2)]),
    rows=st.sampled_from([1, 2, 30]),
    shared=st.booleans(),
    alone=st.sampled_from(["all", "none", "ones"]),
    seed=st.integers(0, 99),
)
def test_as_dense_algebra(
    sizes: list[int], states: Any, rows: int, shared: bool, alone: str, seed: int
) -> None:
    own = {"all": states, "none": (), "ones": (1,) * len(states)}[alone]
    rng = np.random.default_rng(seed)
    linears, squares = problem(rng, tuple(sizes), states, rows, own, 1 if shared else rows)
    message, mean, covariance = dense(linears, squares)
    found, means, seconds = rt.normal(linears, squares)
    assert found.shape == (*states, rows)
    np.testing.assert_allclose(found, message, rtol=1e-9, atol=1e-9)
    second = covariance + mean[..., :, None] * mean[..., None, :]
    ends = np.cumsum([0, *sizes])
    for i, one in enumerate(means):
        assert one.shape == (*states, sizes[i], rows)
        wanted = np.swapaxes(mean[..., ends[i] : ends[i + 1]], -1, -2)
        np.testing.assert_allclose(one, wanted, rtol=1e-8, atol=1e-9)
    assert set(seconds) == set(squares)
    for (i, j), one in seconds.items():
        part = second[..., ends[i] : ends[i + 1], ends[j] : ends[j + 1]]
        assert one.shape == (*states, sizes[i], sizes[j], rows)
        np.testing.assert_allclose(one, np.moveaxis(part, -3, -1), rtol=1e-8, atol=1e-8)
    again, spreads = rt.normal_summary(linears, squares)
    for one, other in zip(means, again, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9)
    for (i, j), one in spreads.items():
        part = covariance[..., ends[i] : ends[i + 1], ends[j] : ends[j + 1]]
        wanted = np.broadcast_to(np.moveaxis(part, -3, -1), (*states, sizes[i], sizes[j], rows))
        np.testing.assert_allclose(np.broadcast_to(one, wanted.shape), wanted, rtol=1e-8, atol=1e-9)


def test_one_number_by_numerical_integration() -> None:
    for b, c in ((0.3, -0.7), (-40.0, -2.0), (1e-8, -1e-16), (-2e5, -1e5)):
        sd, mean = (-2 * c) ** -0.5, -b / (2 * c)

        def density(
            t: float, b: float = b, c: float = c, sd: float = sd, mean: float = mean
        ) -> Any:
            u = mean + sd * t
            return sd * np.exp(b * u + c * u * u - 0.5 * b * mean)

        total = integrate.quad(density, -12, 12, epsabs=0, epsrel=1e-12)[0]
        message, (u,), seconds = rt.normal((np.array([[b]]),), {(0, 0): np.array([[[c]]])})
        assert message[0] == pytest.approx(np.log(total) + 0.5 * b * mean, rel=1e-10)
        assert u[0, 0] == pytest.approx(mean, rel=1e-12)
        assert seconds[0, 0][0, 0, 0] == pytest.approx(mean**2 + sd**2, rel=1e-12)


@pytest.mark.parametrize("last", [1, 40])
def test_moments_are_the_gradient_of_the_log_integral(last: int) -> None:
    rng = np.random.default_rng(4)
    linears, squares = problem(rng, (2, 3), (2,), 40, (2,), last)
    _, means, seconds = rt.normal(linears, squares)
    step = 1e-5

    def change(move: Any) -> Any:
        ways = []
        for sign in (1.0, -1.0):
            one, two = [x.copy() for x in linears], {k: x.copy() for k, x in squares.items()}
            move(one, two, sign * step)
            ways.append(rt.normal(one, two)[0])
        return (ways[0] - ways[1]) / (2 * step)

    for i, mean in enumerate(means):
        for k in range(mean.shape[-2]):

            def move(one: Any, two: Any, by: float, i: int = i, k: int = k) -> None:
                one[i][..., k, :] += by

            np.testing.assert_allclose(change(move), mean[..., k, :], rtol=1e-6, atol=1e-8)
    for pair, second in seconds.items():
        for k in range(second.shape[-3]):
            for m in range(second.shape[-2]):

                def shift(one: Any, two: Any, by: float, at: Any = (pair, k, m)) -> None:
                    two[at[0]][..., at[1], at[2], :] += by

                np.testing.assert_allclose(
                    change(shift), second[..., k, m, :], rtol=1e-5, atol=1e-7
                )


def test_shared_and_spelt_out_squares_agree() -> None:
    rng = np.random.default_rng(5)
    for size in (1, 2, 7, 12):
        linears, squares = problem(rng, (size,), (), 5000, (), 1)
        spelt = {k: np.repeat(x, 5000, axis=-1) for k, x in squares.items()}
        one, two = rt.normal(linears, squares), rt.normal(linears, spelt)
        np.testing.assert_allclose(one[0], two[0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(one[1][0], two[1][0], rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(one[2][0, 0], two[2][0, 0], rtol=1e-8, atol=1e-9)


def test_a_missing_pair_is_a_zero_coefficient() -> None:
    rng = np.random.default_rng(6)
    linears, squares = problem(rng, (2, 1), (), 9, (), 9)
    apart = {k: x for k, x in squares.items() if k != (0, 1)}
    zero = {**apart, (0, 1): np.zeros((2, 1, 1))}
    one, two = rt.normal(linears, apart), rt.normal(linears, zero)
    np.testing.assert_allclose(one[0], two[0], rtol=1e-13)
    assert (0, 1) not in one[2]
    mean = one[1][0][:, None] * one[1][1][None]
    np.testing.assert_allclose(two[2][0, 1], mean, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("last", [1, 100_000])
def test_draws(last: int) -> None:
    rng = np.random.default_rng(7)
    linears, squares = problem(rng, (2, 1), (2,), 1, (2,), 1)
    many = tuple(np.repeat(x, 100_000, axis=-1) for x in linears)
    spread = {k: np.repeat(x, last, axis=-1) for k, x in squares.items()}
    message, means, seconds = rt.normal(linears, squares)
    found, drawn, products = rt.normal(many, spread, Draw(rng))
    np.testing.assert_allclose(found, np.broadcast_to(message, found.shape), rtol=1e-12)
    for i, one in enumerate(drawn):
        z = (one.mean(axis=-1) - means[i][..., 0]) / (one.std(axis=-1) / 100_000**0.5)
        assert (np.abs(z) < 5).all()
    for k, one in products.items():
        z = (one.mean(axis=-1) - seconds[k][..., 0]) / (one.std(axis=-1) / 100_000**0.5)
        assert (np.abs(z) < 5).all()
        pairs = drawn[k[0]][..., :, None, :] * drawn[k[1]][..., None, :, :]
        np.testing.assert_array_equal(one, pairs)
    sd = np.sqrt(seconds[1, 1][0, 0, 0, 0] - means[1][0, 0, 0] ** 2)
    assert stats.kstest((drawn[1][0, 0] - means[1][0, 0, 0]) / sd, "norm").pvalue > 1e-4


def test_the_mode_is_the_mean_and_the_message_the_highest_log_joint() -> None:
    rng = np.random.default_rng(8)
    for last in (1, 20):
        linears, squares = problem(rng, (2, 1), (), 20, (), last)
        _, means, _ = rt.normal(linears, squares)
        top, mode, products = rt.normal(linears, squares, Best())
        height = sum((x * u).sum(axis=0) for x, u in zip(linears, mode, strict=True))
        for (i, j), x in squares.items():
            height += np.einsum("abn,an,bn->n", np.broadcast_to(x, (*x.shape[:2], 20)), mode[i],
                                mode[j])  # fmt: skip
        np.testing.assert_allclose(top, height, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(mode[0], means[0], rtol=1e-8)
        np.testing.assert_allclose(products[0, 1], mode[0][:, None] * mode[1][None], rtol=1e-12)


def test_awkward_scales() -> None:
    """A latent in units of 1e-8, one about 1e8, and noise that is next to nothing."""
    for scale, offset in ((1e-8, 0.0), (1.0, 1e8), (1e8, 1e8), (1e-8, 1e8), (1e-150, 0.0)):
        precision = scale**-2
        b, c = np.array([[precision * offset]]), np.array([[[-0.5 * precision]]])
        _, (mean,), second = rt.normal((b,), {(0, 0): c})
        assert mean[0, 0] == pytest.approx(offset, rel=1e-12)
        spread = rt.normal_summary((b,), {(0, 0): c})[1][0, 0]
        assert spread[0, 0, 0] == pytest.approx(scale**2, rel=1e-12)
        assert second[0, 0][0, 0, 0] == pytest.approx(offset**2 + scale**2, rel=1e-12)
    # strongly correlated, in different units: scaling changes nothing
    rng = np.random.default_rng(9)
    linears, squares = problem(rng, (3,), (), 50, (), 50)
    unit = np.array([1e-6, 1.0, 1e6])[:, None]
    scaled = {(0, 0): squares[0, 0] * unit[:, None] * unit[None]}
    one, two = rt.normal(linears, squares), rt.normal((linears[0] * unit,), scaled)
    np.testing.assert_allclose(one[0], two[0] + np.log(unit).sum(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one[1][0], two[1][0] * unit, rtol=1e-8)


def test_what_is_not_proper_is_said_with_its_place() -> None:
    rng = np.random.default_rng(10)
    linears, squares = problem(rng, (2, 1), (3,), 5000, (3,), 5000)
    squares[1, 1][2, 0, 0, 4321] = 0.5
    with pytest.raises(rt.ImproperError, match="precision isn't positive definite") as caught:
        rt.normal(linears, squares)
    assert (caught.value.row, caught.value.state) == (4321, (2,))
    assert "row 4321, state 2" in str(caught.value)
    assert isinstance(caught.value, ValueError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.row) == (str(caught.value), 4321)
    with pytest.raises(rt.ImproperError, match="every row"):
        rt.normal(linears[:1], {(0, 0): np.zeros((2, 2, 1))})
    with pytest.raises(rt.ImproperError):
        rt.normal_summary(linears[:1], {})
    with pytest.raises(rt.ImproperError):  # singular but for rounding
        rt.normal(
            (np.ones((2, 1)),), {(0, 0): -np.array([[1.0, 1.0], [1.0, 1 + 1e-16]])[..., None]}
        )
    with pytest.raises(rt.ImproperError):
        rt.normal((np.ones((1, 3)),), {(0, 0): np.array([[[-1.0, np.nan, -1.0]]])})


def test_no_rows() -> None:
    message, means, seconds = rt.normal((np.ones((2, 3, 0)),), {(0, 0): -np.eye(3)[..., None]})
    assert message.shape == (2, 0)
    assert means[0].shape == (2, 3, 0)
    assert seconds[0, 0].shape == (2, 3, 3, 0)
