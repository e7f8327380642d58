"""What the writers of one piece's functions share: its plan, names and axes."""

from __future__ import annotations

from collections.abc import Mapping

from emdsl.derive.joint import Node
from emdsl.derive.levels import Levels
from emdsl.derive.table import Atoms
from emdsl.inference.plan import PiecePlan
from emdsl.ir.nodes import Axis
from emdsl.lower.names import Names
from emdsl.lower.scalar import ScalarLowering
from emdsl.model.graph import Model


class PieceContext:
    """One piece, as every writer of its functions sees it."""

    def __init__(
        self,
        plan: PiecePlan,
        model: Model,
        atoms: Atoms,
        names: Names,
        pivots: Mapping[str, tuple[int, ...]],
        nodes: tuple[Node, ...],
        levels: Levels,
    ) -> None:
        self.nodes = tuple(n for n in nodes if n.plates[0] == plan.plate)
        self.levels = levels
        self.plan = plan
        self.pivots = pivots
        self.model = model
        self.atoms = atoms
        self.names = names
        self.plate = Axis(plan.plate, "B")

    def scalars(self) -> ScalarLowering:
        return ScalarLowering(self.atoms, self.names, frozenset({self.plan.plate}))

    def labels(self) -> list[str]:
        """A name for each elimination: its latents."""
        return [c.label for c in self.plan.clusters]
