"""Newton's direction where the curvature is an arrow: a block for each group, and a border.

With D the groups' blocks, C what they have in common with the shared unknowns and S these, the step
of a gradient (g, h) is by the Schur complement of D (Boyd and Vandenberghe 2004, appendix C.4):

    R = S - sum_a C[a]' D[a]^-1 C[a]
    shared = R^-1 (h - sum_a C[a]' D[a]^-1 g[a])
    group a: D[a]^-1 (g[a] - C[a] shared)

That takes O(A (a^3 + a^2 s + a s^2) + s^3) in place of the cube of all unknowns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdsl.runtime.ascent import scaling
from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.objective import Floats, Mask, Slopes
from emdsl.runtime.tied import Arms

_FLAT = 1e-12  # of a unit diagonal: less curvature is rounding


@dataclass(frozen=True)
class Arrow:
    """Negative Hessians in the free coordinates of B problems.

    each : (B, A, a, a), border : (B, A, a, s), rest : (B, s, s); `arms` says which unknowns.
    """

    arms: Arms
    each: Floats
    border: Floats
    rest: Floats

    @property
    def sound(self) -> Mask:
        """Which problems' are finite, (B,)."""
        parts = (self.each, self.border, self.rest)
        found: Mask = np.logical_and.reduce(
            [np.isfinite(x.reshape(len(x), -1)).all(axis=-1) for x in parts]
        )
        return found

    def harmless(self, sound: Mask) -> Arrow:
        """With identities in place of those that aren't finite."""
        if sound.all():
            return self
        keep = ~sound
        each, border, rest = self.each.copy(), self.border.copy(), self.rest.copy()
        each[keep], border[keep], rest[keep] = np.eye(each.shape[-1]), 0.0, np.eye(rest.shape[-1])
        return Arrow(self.arms, each, border, rest)

    def uphill(self) -> Uphill:
        """The directions by it."""
        return Uphill(self)


def arrow(frame: Coordinates, flat: Floats, slopes: Slopes, arms: Arms) -> Arrow:
    """The negative Hessian at parameters (B, n), in the coordinates of the frame.

    Held entries have a curvature of one and nothing in common with others.
    """
    assert slopes.tied is not None
    each, border, rest = slopes.tied.parts(arms)
    stretch, bend = frame.entrywise(flat, slopes)
    own, shared = stretch[:, arms.each], stretch[:, arms.shared]
    each = -each * own[..., :, None] * own[..., None, :]
    border = -border * own[..., None] * shared[:, None, None, :]
    rest = -rest * shared[:, :, None] * shared[:, None, :]
    if bend is not None:
        on = np.arange(each.shape[-1])
        each[..., on, on] += bend[:, arms.each]
        on = np.arange(rest.shape[-1])
        rest[:, on, on] += bend[:, arms.shared]
    return Arrow(arms, each, border, rest)


class Uphill:
    """Newton's directions by an arrow, for one gradient after another.

    Where the curvature isn't positive definite each of its two factors' is taken by its size, so
    that the step goes uphill; along flat directions it is the gradient's.
    """

    def __init__(self, curvature: Arrow) -> None:
        self.arms = curvature.arms
        own = self.own = scaling(curvature.each)  # (B, A, a)
        shared = self.shared = scaling(curvature.rest)  # (B, s)
        each = curvature.each * own[..., :, None] * own[..., None, :]
        border = curvature.border * own[..., None] * shared[:, None, None, :]
        self.each = inverses(each)
        self.border = border
        rest = curvature.rest * shared[:, :, None] * shared[:, None, :]
        self.rest = inverses(complement(rest, border, self.each))

    def step(self, gradient: Floats) -> Floats:
        """The steps (B, n) along a gradient (B, n), finite."""
        arms = self.arms
        g = gradient[:, arms.each] * self.own
        h = gradient[:, arms.shared] * self.shared
        alone = (self.each @ g[..., None])[..., 0]
        left = h - np.einsum("ngas,nga->ns", self.border, alone)
        shared = (self.rest @ left[..., None])[..., 0]
        taken = self.border @ shared[:, None, :, None]
        each = alone - (self.each @ taken)[..., 0]
        found = np.zeros_like(gradient)
        found[:, arms.each] = each * self.own
        found[:, arms.shared] = shared * self.shared
        return found


def complement(rest: Floats, border: Floats, inverse: Floats) -> Floats:
    """S - sum_a C[a]' D[a]^-1 C[a], (B, s, s), given the inverses of D."""
    count = border.shape[-1]
    one = border.reshape(len(border), -1, count)
    two = (inverse @ border).reshape(len(border), -1, count)
    found: Floats = rest - np.swapaxes(one, -1, -2) @ two
    return 0.5 * (found + np.swapaxes(found, -1, -2))


def inverses(matrices: Floats) -> Floats:
    """Inverses of symmetric matrices (..., n, n) of which the diagonal is about one, or zero.

    A negative eigenvalue counts by its size, and next to none as one.
    """
    if matrices.shape[-1] == 0:
        return matrices
    if matrices.shape[-1] == 1:
        size = np.abs(matrices)
        return 1.0 / np.where(size > _FLAT, size, 1.0)
    try:
        least = np.diagonal(np.linalg.cholesky(matrices), axis1=-2, axis2=-1).min() ** 2
        if least > _FLAT:
            return np.asarray(np.linalg.inv(matrices))
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(matrices)
    size = np.abs(values)
    scaled = vectors / np.where(size > _FLAT, size, 1.0)[..., None, :]
    found: Floats = scaled @ np.swapaxes(vectors, -1, -2)
    return found
