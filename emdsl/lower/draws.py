"""Ancestral sampling: each node drawn from its distribution at the values drawn before it."""

from __future__ import annotations

from emdsl.ir.nodes import Assign, Function, Whole
from emdsl.lower.draw_order import in_rows
from emdsl.lower.draw_rows import RowSampling
from emdsl.lower.draw_values import DrawValues
from emdsl.lower.names import quoted
from emdsl.model import graph as g


class Sampling(DrawValues):
    """Writes `draw(params, layout, rng, given)`: whole arrays at once, or row by row."""

    def function(self) -> Function:
        if in_rows(self.model):
            return RowSampling(self.model, self.names, self.families).function()
        result: list[tuple[str, str]] = []
        for v in self.model.variables:
            if v.role in ("latent", "data"):
                self._variable(v)
                result.append((quoted(v.name), self.names[v.name]))
        return self._function(result)

    def _variable(self, v: g.Variable) -> None:
        assert v.dist is not None
        plates = tuple(self._plate(a) for a in v.plates)
        events = self._event(v.type.shape)
        whole = (*plates, *events)
        value = self._draw(v.dist, plates, events)
        self.body.append(Assign(self.names[v.name], Whole(value, whole, full=True)))
