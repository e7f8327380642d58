"""State space models against a Kalman filter and smoother in covariance form.

The smoother is written from Rauch, Tung and Striebel (1965), the covariance of neighbouring states
from de Jong and Mackinnon (1988); neither knows of precisions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from emdsl.runtime.gaussian_system import Clique, Family, GaussianSystem


@dataclass
class Model:
    """x[t] = A x[t-1] + c + N(0, Q), y[t] = H x[t] + d + N(0, R), x[0] ~ N(m, P)."""

    A: np.ndarray
    c: np.ndarray
    Q: np.ndarray
    H: np.ndarray
    d: np.ndarray
    R: np.ndarray
    m: np.ndarray
    P: np.ndarray


def spread(rng, size, scale=1.0):
    root = rng.normal(size=(size, size + 2))
    return scale * (root @ root.T / size + 0.1 * np.eye(size))


def random_model(rng, states, seen, noise=1.0):
    A = rng.normal(size=(states, states))
    A *= 0.95 / np.abs(np.linalg.eigvals(A)).max()
    return Model(
        A,
        rng.normal(size=states),
        spread(rng, states, noise),
        rng.normal(size=(seen, states)),
        rng.normal(size=seen),
        spread(rng, seen),
        rng.normal(size=states),
        spread(rng, states, 3.0),
    )


def log_normal(x, mean, covariance):
    root = np.linalg.cholesky(covariance)
    z = np.linalg.solve(root, x - mean)
    return -0.5 * z @ z - np.log(np.diagonal(root)).sum() - 0.5 * len(x) * np.log(2 * np.pi)


def smooth(model, y):
    """Log likelihood, smoothed means, covariances, and Cov(x[t], x[t-1])."""
    steps, states = len(y), len(model.m)
    total = 0.0
    means, variances = np.empty((steps, states)), np.empty((steps, states, states))
    ahead_means, ahead = means.copy(), variances.copy()
    for t in range(steps):
        if t:
            m, P = (
                model.A @ means[t - 1] + model.c,
                model.A @ variances[t - 1] @ model.A.T + model.Q,
            )
        else:
            m, P = model.m, model.P
        ahead_means[t], ahead[t] = m, P
        there = ~np.isnan(y[t])
        if there.any():
            H, d = model.H[there], model.d[there]
            S = H @ P @ H.T + model.R[np.ix_(there, there)]
            gain = np.linalg.solve(S, H @ P).T
            total += log_normal(y[t, there], H @ m + d, S)
            m = m + gain @ (y[t, there] - H @ m - d)
            keep = np.eye(states) - gain @ H
            P = keep @ P @ keep.T + gain @ model.R[np.ix_(there, there)] @ gain.T
        means[t], variances[t] = m, P
    lagged = np.zeros((steps, states, states))
    for t in range(steps - 2, -1, -1):
        J = np.linalg.solve(ahead[t + 1], model.A @ variances[t]).T
        lagged[t + 1] = variances[t + 1] @ J.T
        means[t] = means[t] + J @ (means[t + 1] - ahead_means[t + 1])
        variances[t] = variances[t] + J @ (variances[t + 1] - ahead[t + 1]) @ J.T
    return total, means, variances, lagged


def as_system(model, y):
    """The same in natural parameters, with what the rows' constants add up to."""
    steps, states = len(y), len(model.m)
    masks, pattern = np.unique(~np.isnan(y), axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    constant = 0.0
    emission = np.zeros((states, states, len(masks)))
    informed = np.zeros((states, steps))
    for u, there in enumerate(masks):
        H = model.H[there]
        W = np.linalg.inv(model.R[np.ix_(there, there)])
        emission[:, :, u] = -0.5 * H.T @ W @ H
        for t in np.flatnonzero(pattern == u):
            left = y[t, there] - model.d[there]
            informed[:, t] = H.T @ W @ left
            constant += (
                log_normal(left, 0.0 * left, model.R[np.ix_(there, there)]) if len(left) else 0
            )
    W, V = np.linalg.inv(model.Q), np.linalg.inv(model.P)
    here = np.stack([-0.5 * V, -0.5 * W], axis=-1)
    zero = np.zeros_like(W)
    across = np.stack([zero, W @ model.A], axis=-1)
    before = np.stack([zero, -0.5 * model.A.T @ W @ model.A], axis=-1)
    first, second = (
        np.tile(W @ model.c, (steps, 1)).T,
        np.tile(-model.A.T @ W @ model.c, (steps, 1)).T,
    )
    first[:, 0], second[:, 0] = V @ model.m, 0.0
    zeros = np.zeros(states)
    constant += log_normal(model.m, zeros, model.P)
    constant += (steps - 1) * log_normal(model.c, zeros, model.Q)
    n = np.arange(steps)
    cliques = [Clique((0,), (n,), pattern), Clique((0, 0), (n, n - 1), np.minimum(n, 1))]
    linears = [[informed], [first, second]]
    squares = [{(0, 0): emission}, {(0, 0): here, (0, 1): across, (1, 1): before}]
    return GaussianSystem([Family(steps, states)], cliques, None), linears, squares, constant


def simulate(rng, model, steps, missing):
    x = rng.multivariate_normal(model.m, model.P)
    y = np.empty((steps, len(model.d)))
    for t in range(steps):
        if t:
            x = rng.multivariate_normal(model.A @ x + model.c, model.Q)
        y[t] = rng.multivariate_normal(model.H @ x + model.d, model.R)
    y[rng.random(y.shape) < missing] = np.nan
    return y


def check(model, y, rtol):
    system, linears, squares, constant = as_system(model, y)
    solution = system.solve(linears, squares)
    total, means, variances, lagged = smooth(model, y)
    assert solution.evidence[0].sum() + constant == pytest.approx(total, rel=rtol)
    size, wide = np.abs(means).max(), np.abs(variances).max()
    np.testing.assert_allclose(solution.means[0], means.T, rtol=rtol, atol=rtol * size)
    np.testing.assert_allclose(
        solution.covariance(0), variances.transpose(1, 2, 0), rtol=rtol, atol=rtol * wide
    )
    found = solution.second(1, 0, 1)
    outer = np.einsum("ti,tj->ijt", means[1:], means[:-1])
    np.testing.assert_allclose(
        found[:, :, 1:] - outer,
        lagged[1:].transpose(1, 2, 0),
        rtol=rtol,
        atol=rtol * (wide + size**2),
    )
    assert (found[:, :, 0] == 0.0).all()


@pytest.mark.parametrize("states", [1, 2, 4])
@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
def test_smoother(states, missing):
    rng = np.random.default_rng(states)
    model = random_model(rng, states, 3)
    check(model, simulate(rng, model, 50, missing), 1e-9)


@pytest.mark.parametrize("noise", [1e-4, 1e-8, 1e4, 1e8])
def test_process_and_observation_noise_of_very_different_size(noise):
    rng = np.random.default_rng(11)
    model = random_model(rng, 2, 2, noise)
    check(model, simulate(rng, model, 50, 0.2), 1e-7)


def test_steps_far_apart_in_scale():
    """One state in millions, another in millionths: only the units differ."""
    rng = np.random.default_rng(12)
    model = random_model(rng, 3, 3)
    y = simulate(rng, model, 50, 0.2)
    unit = np.array([1e6, 1.0, 1e-6])
    total, means, variances, _ = smooth(model, y)
    scaled = Model(
        model.A * unit[:, None] / unit,
        model.c * unit,
        model.Q * np.outer(unit, unit),
        model.H / unit,
        model.d,
        model.R,
        model.m * unit,
        model.P * np.outer(unit, unit),
    )
    system, linears, squares, constant = as_system(scaled, y)
    solution = system.solve(linears, squares)
    assert solution.evidence[0].sum() + constant == pytest.approx(total, rel=1e-9)
    np.testing.assert_allclose(solution.means[0].T / unit, means, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(
        solution.covariance(0).transpose(2, 0, 1) / np.outer(unit, unit),
        variances,
        rtol=1e-7,
        atol=1e-9,
    )
