"""Short, unique letters for the axes of one formula: `d_7` and `d~1` are shown as d and e."""

from __future__ import annotations

from dataclasses import dataclass, field

from emdsl.derive.table import Atoms
from emdsl.model.graph import Extent, Model, Ragged, Size


@dataclass
class AxisNames:
    """Names given to axes in the order they are asked for; none is a name of the model's."""

    model: Model
    atoms: Atoms
    given: dict[str, str] = field(default_factory=dict)

    def of(self, axis: str) -> str:
        """The name an axis is shown under."""
        if axis not in self.given:
            info = self.atoms.axes[axis]
            self.given[axis] = axis if info.role == "plate" else self._new(info.extent)
        return self.given[axis]

    def fresh(self, extent: Extent) -> str:
        """A name for a further axis over `extent`."""
        name = self._new(extent)
        self.given[f"fresh {name}"] = name
        return name

    def _new(self, extent: Extent) -> str:
        taken = {*self.given.values(), *self._names(extent)}
        stem = extent.name[0].lower() if isinstance(extent, Size | Ragged) else "i"
        letters = [stem]
        if stem.isascii() and stem.isalpha():
            letters += [chr(ord(stem) + i) for i in (1, 2) if ord(stem) + i <= ord("z")]
        for letter in letters:
            if letter not in taken:
                return letter
        count = 2
        while f"{stem}{count}" in taken:
            count += 1
        return f"{stem}{count}"

    def _names(self, extent: Extent) -> set[str]:
        """What the model uses as names; a plate over the same extent may lend its own."""
        lent = {p.axis for p in self.model.plates if p.extent == extent}
        plates = {p.axis for p in self.model.plates}
        return declared(self.model) | ((plates | {"t"}) - lent)  # t: the entry of an update


def declared(model: Model) -> set[str]:
    """The names that a model's declarations make."""
    names = {p.name for p in model.params} | {v.name for v in model.variables}
    names |= {c.name for c in model.consts} | {s.name for s in model.sizes}
    return names | {x.name for x in model.lets}
