"""A model's E-step strategies and its mathematics: the joint, the statistics, the M-step."""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.derive.joint import Joint, joint_of
from emdsl.derive.mstep.share import Numeric
from emdsl.derive.mstep.solve import MStep, m_step_of
from emdsl.derive.statistics import Derived, statistics_of
from emdsl.inference.match import Match
from emdsl.model.graph import Model


@dataclass(frozen=True)
class Derivation:
    """The mathematics of a model: the joint, its statistics, and the M-step."""

    joint: Joint
    derived: Derived
    m_step: MStep

    @property
    def numeric(self) -> frozenset[str]:
        """The parameters that no closed form solves."""
        return frozenset(
            name for u in self.m_step.updates if isinstance(u.form, Numeric) for name in u.solved
        )


def derive(model: Model, matches: tuple[Match, ...]) -> Derivation:
    """The joint, the statistics and the M-step. Raises CompileError."""
    joint = joint_of(model, tuple(name for m in matches for name in m.summed))
    derived = statistics_of(joint)
    return Derivation(joint, derived, m_step_of(derived))
