"""Orthogonal matrices and products of 1: kernels against brute force and SciPy's minimisers."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from emdsl.runtime.rotations import eigenvectors, nearest_rotation, rotated
from emdsl.runtime.shapes import held, unit_product

Floats = NDArray[np.float64]
RNG = np.random.default_rng(8)


def scatters(count: int, size: int, *lead: int) -> Floats:
    """Symmetric positive definite (lead..., size, size, count)."""
    roots = RNG.normal(size=(*lead, count, size, size + 2))
    return np.moveaxis(roots @ np.swapaxes(roots, -1, -2), -3, -1)


def gain(matrices: Floats, turn: Floats) -> Floats:
    """sum_l r_l' M_l r_l."""
    return np.asarray(np.einsum("...ijl,...il,...jl->...", matrices, turn, turn))


def start(size: int, *lead: int) -> Floats:
    return np.asarray(np.linalg.qr(RNG.normal(size=(*lead, size, size)))[0])


@pytest.mark.parametrize("seed", range(6))
def test_plane_rotations_end_where_a_minimiser_over_angles_does(seed: int) -> None:
    """Common axes in three dimensions, by Euler angles from many starts."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(4, 3, 4)) * rng.uniform(0.2, 3, size=(4, 1, 1))
    shapes = rng.uniform(0.3, 3, size=(4, 3))
    matrices = -np.einsum("kij,kmj,kl->iml", roots, roots, 1 / shapes)

    def lost(angles: Any) -> float:
        return -float(gain(matrices, Rotation.from_euler("zyx", angles).as_matrix()))

    best = min(minimize(lost, rng.uniform(-3, 3, size=3), tol=1e-12).fun for _ in range(20))
    found = max(float(gain(matrices, rotated(matrices, start(3)))) for _ in range(6))
    assert found == pytest.approx(-best, rel=1e-9)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_plane_rotations_climb_and_are_stationary(size: int) -> None:
    matrices, old = -scatters(size, size, 4), start(size, 4)
    found = rotated(matrices, old)
    assert (gain(matrices, found) >= gain(matrices, old) - 1e-12).all()
    np.testing.assert_allclose(np.swapaxes(found, -1, -2) @ found, np.broadcast_to(
        np.eye(size), found.shape), atol=1e-13)  # fmt: skip
    # the gradient along the group: R' G is symmetric, G = [M_1 r_1 ...]
    slope = np.swapaxes(found, -1, -2) @ np.einsum("...ijl,...jl->...il", matrices, found)
    np.testing.assert_allclose(slope, np.swapaxes(slope, -1, -2), atol=1e-8 * np.abs(slope).max())


@pytest.mark.parametrize("scale", [1e-300, 1e-16, 1.0, 1e16, 1e280])
def test_the_scale_of_the_matrices_is_nothing(scale: float) -> None:
    matrices, old = -scatters(3, 3), start(3)
    plain, found = rotated(matrices, old), rotated(scale * matrices, old)
    np.testing.assert_allclose(found, plain, atol=1e-7)


def test_eigenvectors_are_the_best_of_all_orders() -> None:
    matrix, weights = -scatters(1, 4)[..., 0], RNG.uniform(0.5, 3, size=4)
    found = eigenvectors(matrix, weights, np.eye(4))
    each = matrix[..., None] * weights
    vectors = np.linalg.eigh(matrix)[1]
    orders = [float(gain(each, vectors[:, order])) for order in permutations(range(4))]
    assert gain(each, found) == pytest.approx(max(orders), rel=1e-12)
    np.testing.assert_allclose(gain(each, rotated(each, start(4))), max(orders), rtol=1e-9)
    assert (found * np.eye(4)).sum(axis=0).min() >= 0.0  # signs follow the old ones


def test_what_is_empty_or_undefined_stays() -> None:
    old = start(3, 3)
    matrix = np.stack([scatters(1, 3)[..., 0], np.zeros((3, 3)), np.full((3, 3), np.nan)])
    found = eigenvectors(-matrix, np.ones((3, 3)), old)
    np.testing.assert_array_equal(found[1:], old[1:])
    assert not np.array_equal(found[0], old[0])
    planes = np.stack([scatters(3, 3), np.zeros((3, 3, 3)), np.full((3, 3, 3), np.nan)])
    turned = rotated(-planes, old)
    np.testing.assert_allclose(turned[1:], old[1:], atol=1e-14)


def test_equal_matrices_leave_nothing_to_turn() -> None:
    """Every rotation is as good: none is taken, however rounding may differ."""
    one = scatters(1, 4)
    old = start(4)
    np.testing.assert_allclose(rotated(np.repeat(-one, 4, axis=-1), old), old, atol=1e-12)


def test_nearest_rotation() -> None:
    turn = start(3)
    np.testing.assert_allclose(nearest_rotation(turn + 1e-9), turn, atol=1e-8)
    found = nearest_rotation(turn + 1e-3)
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-15)


@pytest.mark.parametrize("power", [-1.0, -2.0, 1.0, 0.5])
@pytest.mark.parametrize("spread", [0.0, 1.0, 50.0])
def test_unit_product_is_where_a_minimiser_ends(power: float, spread: float) -> None:
    logs = -10.0 + spread * RNG.uniform(-0.5, 0.5, size=4) * np.sign(power)
    powers = -RNG.uniform(0.1, 30, size=4)
    found = unit_product(logs, powers, power)
    assert found.prod() == pytest.approx(1.0, rel=1e-12)

    def lost(u: Floats) -> float:
        u = u - u.mean()
        return -float(logs @ u + powers @ np.exp(power * u))

    best = minimize(lost, np.zeros(4), tol=1e-13)
    assert lost(np.log(found)) <= best.fun + 1e-9 * abs(best.fun)
    slope = logs + power * powers * found**power
    np.testing.assert_allclose(slope, slope.mean(), atol=1e-9 * np.abs(powers).max() * 10)


def test_unit_product_in_closed_form() -> None:
    powers = -RNG.uniform(0.1, 30, size=(5, 3))
    found = unit_product(np.full((5, 3), -7.0), powers, -1.0)
    root = np.prod(-powers, axis=-1, keepdims=True) ** (1 / 3)
    np.testing.assert_allclose(found, -powers / root, rtol=1e-14)


def test_unit_product_of_no_spread() -> None:
    logs = np.full((3, 2), -4.0)
    powers = np.array([[-1.0, 0.0], [0.0, 0.0], [-1.0, np.nan]])
    found = unit_product(logs, powers, -1.0)
    assert found[0, 1] < 1e-20
    assert found[0, 0] > 1e20  # collapsed, and seen to be
    assert np.isnan(found[1:]).all()


def test_held_is_never_below_its_edge() -> None:
    value = np.array([[1e-6, 1e3, 1e3], [0.5, 1.0, 2.0], [1e-8, 1e-1, 1e9]])
    found = held(value, np.full(3, 0.05))
    np.testing.assert_allclose(found.prod(axis=-1), 1.0, rtol=1e-12)
    assert (found >= 0.05 * (1 - 1e-12)).all()
    np.testing.assert_allclose(found[1], value[1])
    assert found[0, 1] == pytest.approx(found[0, 2])
