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

from dataclasses import dataclass, field
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Describe(Expect):
    """Posterior marginals, and of continuous latents their own means and variances.

    Of each integral `found` gets what its latents are, for all values of the discrete ones above;
    in place of the means of functions its clusters hold these values' probabilities.
    """

    found: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DrawAll(Draw):
    """A draw from the joint posterior; `found` gets continuous latents' values as in `Describe`."""

    found: list[Any] = field(default_factory=list)


How = Expect | Best | Draw
EXPECT = Expect()
