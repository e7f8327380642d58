"""What summing out means: for expectations, for the most probable values, for a random draw.

One program eliminates the latents; each step calls `eliminate`, which turns a log joint
(values..., B) into weights over its first axis and returns what is passed on:

    Expect   log sum exp, and the conditional distribution of the value
    Best     the maximum, and 1 at the value where it is  (max-product; Viterbi on a chain)
    Draw     log sum exp, and 1 at a value drawn from its conditional distribution

Run backward, products of these weights are the posterior marginals, the most probable joint
configuration, and a draw from the joint posterior (Koller and Friedman 2009, chapters 9 and 13).
Along sequences and trees `emdsl.runtime.walks` does the same for all rows together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdsl.runtime.numerics import normalize
from emdsl.runtime.program import Floats


@dataclass(frozen=True, slots=True)
class Expect:
    """Posterior marginals. `rows`: pairs of values for each row, not summed over the rows."""

    rows: bool = False

    def eliminate(self, log_joint: Floats) -> Floats:
        """Sum out the first axis; log_joint becomes the conditional distribution along it."""
        message: Floats = normalize(log_joint)
        return message


@dataclass(frozen=True, slots=True)
class Best:
    """The most probable joint configuration; of equally probable values the first."""

    def eliminate(self, log_joint: Floats) -> Floats:
        """Maximise over the first axis; log_joint becomes 1 where the maximum is, else 0."""
        message: Floats = log_joint.max(axis=0)
        at = log_joint.argmax(axis=0)
        log_joint[...] = 0.0
        np.put_along_axis(log_joint, at[None], 1.0, axis=0)
        return message


@dataclass(frozen=True, slots=True)
class Draw:
    """A draw from the joint posterior."""

    rng: np.random.Generator

    def eliminate(self, log_joint: Floats) -> Floats:
        """Sum out the first axis; log_joint becomes 1 at a value drawn, else 0."""
        message: Floats = normalize(log_joint)
        total = np.cumsum(log_joint, axis=0)
        point = self.rng.random(log_joint.shape[1:]) * total[-1]
        at = np.minimum((total <= point).sum(axis=0), len(log_joint) - 1)
        log_joint[...] = 0.0
        np.put_along_axis(log_joint, at[None], 1.0, axis=0)
        return message


How = Expect | Best | Draw
EXPECT = Expect()
