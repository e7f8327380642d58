"""`diagnose` where unknowns go by group: each group's, and the shared ones with groups following.

What the shared unknowns are not determined by, or run away along, shows in the Schur complement of
the groups' blocks: the curvature of the objective with each group at its best. Given the shared
ones, every group is a small problem of its own, and nearly all are seen to be well in one go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.arrow import Arrow, arrow, complement, inverses
from emdsl.runtime.ascent import scaling
from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.diagnosis import (
    FLAT,
    LITTLE,
    Problem,
    Way,
    at_zero,
    said_of,
    shortened,
    sizes_of,
    unbounded,
)
from emdsl.runtime.naming import SEEN, Naming
from emdsl.runtime.objective import Floats, Mask, Objective, Point
from emdsl.runtime.rules import staying
from emdsl.runtime.tied import Arms


def diagnose_by_group(
    objective: Objective,
    point: Point,
    kinds: tuple[str, ...],
    names: tuple[str, ...],
    batch: int,
    arms: Arms,
) -> tuple[str, ...]:
    """What is wrong with a maximum, in words; nothing where all is well.

    The arguments are those of `diagnose` and `maximise`. Costs two evaluations of the Hessian.
    """
    held = staying(objective, point)
    with np.errstate(all="ignore"):
        frame = Coordinates(point, kinds, batch, held)
        origin = Coordinates(at_zero(point, kinds, held), kinds, batch, held)
        naming = Naming(frame, names, kinds)
        here, there = _Looked(objective, frame, arms), _Looked(objective, origin, arms)
        far = unbounded(objective, frame, naming.logs)
        messages: list[str] = []
        for b in range(frame.problems):
            if here.sound[b]:
                old = there if there.sound[b] else here
                messages += _Account(frame, naming, b, here, old, far[b], arms).messages()
    return shortened(messages)


class _Looked:
    """Derivatives at one place: free coordinates and gradients (B, n), and the arrow."""

    def __init__(self, objective: Objective, frame: Coordinates, arms: Arms) -> None:
        self.free, flat = frame.first()
        slopes = objective.slopes(frame.point(flat), True)
        self.gradient = frame.gradient(flat, slopes)
        self.curvature: Arrow = arrow(frame, flat, slopes, arms)
        sound = self.curvature.sound & np.isfinite(self.gradient).all(axis=-1)
        self.sound: Mask = np.asarray(sound)

    def shared(self, b: int, arms: Arms) -> tuple[Floats, Floats, Floats]:
        """Curvature and gradient of the shared unknowns with groups at their best, (s, s), (s,).

        And by how much each group falls where one of them rises, (A, a, s).
        """
        each, border = self.curvature.each[b], self.curvature.border[b]
        own = scaling(each)
        inverse = inverses(each * own[..., :, None] * own[..., None, :])
        inverse = inverse * own[..., :, None] * own[..., None, :]
        curvature = complement(self.curvature.rest[b][None], border[None], inverse[None])[0]
        across = inverse @ border
        gradient = self.gradient[b]
        taken = np.einsum("gas,ga->s", across, gradient[arms.each])
        return curvature, gradient[arms.shared] - taken, across


@dataclass(frozen=True)
class _Account:
    """One problem of a batch."""

    frame: Coordinates
    naming: Naming
    b: int
    here: _Looked
    there: _Looked
    far: Mask
    arms: Arms

    def messages(self) -> list[str]:
        out: list[str] = []
        sign, part = np.zeros(self.frame.unknowns), np.zeros(self.frame.unknowns)
        for said, away in self._parts():
            out += said
            if away is not None:  # one message of all
                on = away[1] > SEEN * away[1].max()
                sign[on] += np.sign(away[0][on])
                part[on] = 1.0
        if part.any():
            out.append(self.naming.separated(self.b, np.sign(sign), part))
        return out

    def _parts(self) -> Iterator[tuple[list[str], Way | None]]:
        """What is said of the shared unknowns, then of each group."""
        if len(self.arms.shared):
            yield self._of_shared()
        for group in self._suspects():
            yield said_of(self._of_group(int(group)), self.frame, self.naming, self.b)

    def _of_shared(self) -> tuple[list[str], Way | None]:
        b, arms = self.b, self.arms
        curvature, gradient, across = self.here.shared(b, arms)
        before, _, _ = self.there.shared(b, arms)
        rest = sizes_of(self.here.curvature.rest[b], self.there.curvature.rest[b])
        problem = Problem(
            arms.shared, self._way()[arms.shared], gradient, curvature, before,
            self.far[arms.shared], rest,
        )  # fmt: skip
        size = np.sqrt(sizes_of(self.here.curvature.each[b], self.there.curvature.each[b]))

        def lifted(way: Way) -> Way:
            whole, weight = way[0].copy(), way[1].copy()
            found = -across @ whole[arms.shared]
            whole[arms.each], weight[arms.each] = found, np.abs(found) * size
            return whole, weight

        return said_of(problem, self.frame, self.naming, b, lifted)

    def _of_group(self, group: int) -> Problem:
        entries = self.arms.each[group]
        curvature = self.here.curvature.each[self.b, group]
        before = self.there.curvature.each[self.b, group]
        return Problem(
            entries, self._way()[entries], self.here.gradient[self.b, entries], curvature, before,
            self.far[entries], sizes_of(curvature, before),
        )  # fmt: skip

    def _way(self) -> Floats:
        found: Floats = self.here.free[self.b] - self.there.free[self.b]
        return found

    def _suspects(self) -> NDArray[np.intp]:
        """The groups that a closer look is worth: all but those that nothing is wrong with."""
        a, a0 = self.here.curvature.each[self.b], self.there.curvature.each[self.b]
        if set(self.naming.logs) & set(self.arms.each.ravel().tolist()):
            return np.arange(len(a))
        size = sizes_of(a, a0)
        scale = 1.0 / np.sqrt(np.where(size > 0.0, size, 1.0))
        a, a0 = (x * scale[..., :, None] * scale[..., None, :] for x in (a, a0))
        least = 2.0 * FLAT * a.shape[-1]
        plain = np.linalg.eigvalsh(a)[..., 0] > least
        plain &= np.linalg.eigvalsh(a - LITTLE * a0)[..., 0] > least
        return np.flatnonzero(~plain)
