"""Random small models with continuous latents, being written: see `continuous_graphs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.inference.graph_draft import Draft, Node, Place, Plate, Ref


@dataclass
class Latents(Draft):
    """A model file with continuous latents.

    smooth : the continuous latents; `values` is their number of entries, 0 for a number
    """

    smooth: list[Node] = field(default_factory=list)

    # -- what can be read --

    def read(self, plate: Plate) -> list[Ref]:
        """The continuous latents that can be read in a plate."""
        kept, self.nodes = self.nodes, self.smooth
        try:
            return self.refs(plate)
        finally:
            self.nodes = kept

    def discrete(self, plate: Plate, values: int = 2) -> Ref:
        """A new discrete latent of a plate, as it is read there."""
        name = self.name("c")
        truth = {p: self.choices.integer(0, values - 1) for p in plate.places()}
        if values == 2 and self.chance(0.3):
            dist = f"Bernoulli({self.table('unit', [])})"
        else:
            dist = f"Categorical({self.table('simplex', [], (str(values),))})"
        plate.lines.append(f"latent {name}[{plate.at()}] ~ {dist}")
        node = Node(name, values, str(values), plate, truth)
        self.nodes.append(node)
        return Ref(f"{name}[{plate.at()}]", node, lambda p: p)

    def latent(self, plate: Plate, dist: str, size: int = 0, typed: str = "") -> Ref:
        """A new continuous latent of a plate, as it is read there."""
        name = self.name("z")
        typed = typed or (f" : real[{size}]" if size else "")
        plate.lines.append(f"latent {name}[{plate.at()}]{typed} ~ {dist}")
        return self.written(name, plate, size)

    def written(self, name: str, plate: Plate, size: int) -> Ref:
        """A continuous latent whose line stands in the file, as it is read in its plate."""
        node = Node(name, size, "", plate, {})
        self.smooth.append(node)
        return Ref(f"{name}[{plate.at()}]", node, lambda p: p)

    def covariate(self, plate: Plate, size: int = 0, kind: str = "real") -> str:
        """A new input; its reference."""
        name = self.name("u")
        typed = f"{kind}[{size}]" if size else kind
        plate.lines.append(f"input {name}[{plate.at()}] : {typed}")
        shape = (size,) if size else ()
        each: Callable[[Place], Any] = {
            "real": lambda _: self.rng.normal(size=shape),
            "positive": lambda _: self.rng.uniform(0.5, 2.0, shape),
            "count": lambda _: self.rng.integers(3, 8, shape),
        }[kind]
        self.put(name, plate, each)
        return f"{name}[{plate.at()}]"

    # -- normals --

    def standard(self, size: int) -> str:
        """A standard normal, written in one of several ways."""
        if not size:
            return "Normal(0, 1)"
        return self.pick(
            [
                "Normal(0, 1)",
                f"Normal(zeros[{size}], ones[{size}])",
                f"MvNormal(zeros[{size}], eye[{size}])",
            ]
        )

    def normal(self, mean: str, size: int, over: Sequence[Ref] = ()) -> str:
        """A normal with a scale to learn: one number, one for each entry, or a matrix."""
        over = list(over)
        if not size:
            scale = self.table("positive", over)
            return f"Normal({mean}, {self.pick(['{}', 'var = {}', 'precision = {}'])})".format(
                scale
            )
        match self.pick(["spherical", "diagonal", "diagonal matrix", "full", "precision"]):
            case "spherical":
                return f"Normal({mean}, {self.table('positive', over)})"
            case "diagonal":
                return f"Normal({mean}, {self.table('positive', over, (str(size),))})"
            case "diagonal matrix":
                variances = self.table("positive", over, (str(size),))
                return f"MvNormal({mean}, diag({variances}))"
            case "full":
                return f"MvNormal({mean}, {self.table('posdef', over, (str(size),))})"
            case _:
                matrix = self.table("posdef", over, (str(size),))
                return f"MvNormal({mean}, precision = {matrix})"

    def linear(self, z: Ref, size: int, over: Sequence[Ref] = (), input_: str = "") -> str:
        """A term of a mean of some size (0: a number) that is linear in a latent."""
        n, over = z.node.values, list(over)
        if size and n:
            if size == n and self.chance(0.2):
                return z.text
            return f"{self.table('real', over, (str(size), str(n)))} @ {z.text}"
        if size:
            return f"{self.table('real', over, (str(size),))} * {z.text}"
        if n:
            if self.chance(0.3):
                return f"{z.text[:-1]}, {self.choices.integer(0, n - 1)}]"
            return f"dot({self.table('real', over, (str(n),))}, {z.text})"
        if input_:
            return f"{input_} * {z.text}"
        match self.pick(["alone", "alone", "times a parameter", "times a number"]):
            case "alone":
                return z.text
            case "times a parameter":
                return f"{self.table('real', over)} * {z.text}"
            case _:
                return f"2 * {z.text}"

    def mean(self, plate: Plate, over: Sequence[Ref], latents: Sequence[Ref], size: int) -> str:
        """A mean: an intercept, perhaps a regression, and terms linear in the latents."""
        shape = (str(size),) if size else ()
        terms = [] if latents and self.chance(0.3) else [self.table("real", list(over), shape)]
        if self.chance(0.25):
            u = self.covariate(plate)
            terms.append(f"{self.table('real', list(over), shape)} * {u}")
        for z in latents:
            random = not size and not z.node.values and self.chance(0.2)  # a random slope
            terms.append(self.linear(z, size, over, self.covariate(plate) if random else ""))
        return " + ".join(terms)

    def observe(
        self, plate: Plate, over: Sequence[Ref], latents: Sequence[Ref], size: int | None = None
    ) -> None:
        """Normal data that are linear in the latents."""
        size = self.pick([0, 0, 2, 3]) if size is None else size
        mean = self.mean(plate, over, latents, size)
        dist = self.normal(mean, size, self.some(over, 1))
        name, gaps = self.name("x"), self.chance(0.4)
        whole = dist.startswith("MvNormal")  # a gap in a vector drawn as one is a gap in all of it

        def each(_: Place) -> NDArray[Any]:
            x = 2.0 * self.rng.normal(size=(size,) if size else ())
            missing = self.rng.random(() if whole else x.shape) < 0.25
            return np.where(missing & gaps, np.nan, x)

        typed = f" : real[{size}]" if size else ""
        plate.lines.append(f"data {name}[{plate.at()}]{typed} ~ {dist}")
        self.put(name, plate, each)

    def observe_as(self, plate: Plate, typed: str, dist: str, each: Callable[[Place], Any]) -> None:
        """Data of a kind, now and then with gaps."""
        name, gaps = self.name("y"), self.chance(0.3)
        plate.lines.append(f"data {name}[{plate.at()}]{typed} ~ {dist}")
        self.put(name, plate, lambda p: np.nan if gaps and self.rng.random() < 0.25 else each(p))

    def _value(self, kind: str, size: tuple[int, ...]) -> NDArray[Any]:
        if kind == "posdef":
            root = self.rng.normal(size=(*size, size[-1] + 2))
            return 0.4 * root @ np.swapaxes(root, -1, -2) + 0.3 * np.eye(size[-1])
        return super()._value(kind, size)
