"""Whether data can be infinitely likely under a parameter that Newton's method finds, and how fast.

A component that sits on one observation x sends the likelihood to infinity where

    h(t) = max over the other parameters of log p(x | t, others)   →   ∞    as t → 0 or t → ∞

For a scale that is its homogeneity: p(x | m, t) = f((x - m) / t) / t gives h(t) = -log t + const.
For a shape it is how a density concentrates: a Gamma's with its rate at a / x gives h(a) = log(a) /
2. As a peak of width w has a height of 1 / w, what grows as t^(±c) has a variance of t^(∓2c).

The observation stays where it is: a rate alone that goes to infinity moves it to zero. Of the
others those are maximised over that leave h finite at t = 1: first what moves with x, then what is
positive, then the rest; a second scale would do what t is asked about, and stays at 1. No family is
known here: h is found from the log density, by looking at where it is highest on ever finer grids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from emdsl.derive.atoms import Atom, Centered, Elem, Ind, LogInd, Pivot, Seen, SizeOf, SumOf, Value
from emdsl.derive.joint import Joint, Node
from emdsl.derive.mstep.block import Collapse
from emdsl.derive.table import Atoms
from emdsl.families.evaluate import evaluate
from emdsl.model.kinds import Kind

Floats = NDArray[np.float64]

_AT: Mapping[Kind, float] = {
    "real": 0.7,
    "positive": 1.0,
    "unit": 0.5,
}  # an observation: powers of 1 are 1
_WIDE = 16.0  # units, or e-folds, that others are looked for within: as far as functions hold
_POINTS = 33
_ZOOMS = 12
_SWEEPS = 3
_UNBOUNDED = 4.0  # no density of generic numbers is as high
_FAR = (1.5, 2.5)  # decades from 1, within which functions of large arguments hold
_MANY = 100.0  # observations
_LEAST = 0.1  # of a decade in h for each in t: less is a limit, or a logarithm's


def unbounded_in(param: str, joint: Joint) -> Collapse:
    """Where a positive parameter makes data infinitely likely: the edge, and the power of it that
    is a variance. None where it is bounded, or can't be told.
    """
    found: list[tuple[str, float]] = []
    prior = _prior(param, joint)
    for node in joint.nodes:
        if node.role != "data" or param not in _names(node, joint.atoms):
            continue
        # rows that are censored say how likely less or more is, which is never much
        densities = [_Density.of(node, joint, said) for said in (1, 0)]
        edges = [d.edge(param, prior) for d in densities if d is not None and param in d.kinds]
        edge = next((e for e in edges if e is not None), None)
        if edge is None:
            return None  # some of its data stay finite, and hold it
        found.append(edge)
    if not found or len({side for side, _ in found}) > 1:
        return None
    power = min(p for _, p in found)
    return ("zero", power) if found[0][0] == "zero" else ("infinity", power)


def _prior(param: str, joint: Joint) -> sp.Expr | None:
    """The log density of a parameter's prior, in it alone; None where it has none that is known."""
    own = sp.Symbol(param, real=True)
    for node in joint.priors:
        if node.name == param:
            expr = _scalar(node.log_density, param, own, joint.atoms, 1)
            if expr is not None and expr.free_symbols <= {own}:
                return expr
    return None


def _names(node: Node, atoms: Atoms) -> frozenset[str]:
    return frozenset(
        a.name for a in atoms.deep(node.log_density) if isinstance(a, Elem) and a.role == "param"
    )


class _Density:
    """The log density of one observation, all entries of a parameter being one number."""

    def __init__(self, expr: sp.Expr, x: sp.Symbol, at: float, kinds: Mapping[str, Kind]) -> None:
        self.expr, self.x, self.at, self.kinds = expr, x, at, kinds
        self.symbols = {n: sp.Symbol(n, real=True) for n in kinds}

    @classmethod
    def of(cls, node: Node, joint: Joint, said: int) -> _Density | None:
        """None where it has other parts than numbers, or values that aren't continuous.

        said : whether what is asked of a row (`input censored[n] : bool`) holds of it, 0 or 1.
        """
        types = {v.name: v.type for v in joint.model.variables}
        kind = types[node.name].kind if node.name in types else None
        if kind is None or kind not in _AT:
            return None
        kinds = {p.name: p.type.kind for p in joint.model.params}
        x = sp.Symbol("observation", real=True)
        expr = _scalar(node.log_density, node.name, x, joint.atoms, said)
        if expr is None:
            return None
        own = {n: kinds[n] for n in kinds if sp.Symbol(n, real=True) in expr.free_symbols}
        if any(k not in ("real", "positive", "unit") for k in own.values()):
            return None
        return cls(expr, x, _AT[kind], own)

    def edge(self, name: str, prior: sp.Expr | None) -> tuple[str, float] | None:
        """The edge at which h is infinite, with the power of the parameter that is a variance.

        A prior is no match for many observations, unless it falls faster than any power.
        """
        others = self._others(name)
        for side, sign in (("zero", -1.0), ("infinity", 1.0)):
            point = dict.fromkeys(self.kinds, 0.0)
            heights = []
            for decades in _FAR:
                point[name] = sign * decades * np.log(10.0)
                heights.append(self._highest(point, others))
            slope = (heights[1] - heights[0]) / ((_FAR[1] - _FAR[0]) * np.log(10.0))
            if not (np.isfinite(slope) and slope > _LEAST):
                continue
            low, high = (self._prior(prior, name, sign * d * np.log(10.0)) for d in _FAR)
            if high - low > -_MANY * (heights[1] - heights[0]):
                return side, float(max(round(4.0 * slope), 1)) / 2.0
        return None

    def _prior(self, prior: sp.Expr | None, name: str, log: float) -> float:
        if prior is None:
            return 0.0
        try:
            with np.errstate(all="ignore"):
                return float(evaluate(prior, {self.symbols[name]: np.exp(log)}))
        except NotImplementedError:
            return 0.0

    def _others(self, name: str) -> list[str]:
        """The parameters that h may be maximised over while it is finite."""
        rest = [n for n in self.kinds if n != name]
        order = sorted(rest, key=lambda n: (not self._moves(n), self.kinds[n] == "real"))
        taken: list[str] = []
        for other in order:
            point = dict.fromkeys(self.kinds, 0.0)
            if self._highest(point, [*taken, other]) < _UNBOUNDED:
                taken.append(other)
        return taken

    def _moves(self, name: str) -> bool:
        """Whether x and a real parameter moved together leave the density as it is."""
        if self.kinds[name] != "real":
            return False
        point = dict.fromkeys(self.kinds, 0.3)
        here = self._value(point, self.at)
        return bool(np.isclose(self._value({**point, name: 0.8}, self.at + 0.5), here, rtol=1e-9))

    def _highest(self, point: dict[str, float], others: list[str]) -> float:
        """h at a point, whose other coordinates move to where it is; minus infinity if lost."""
        best = float(self._value(point, self.at))
        for _ in range(_SWEEPS if len(others) > 1 else 1):
            for other in others:
                wide = _WIDE
                for _ in range(_ZOOMS):
                    grid = point[other] + np.linspace(-wide, wide, _POINTS)
                    grid = np.clip(grid, -_WIDE, _WIDE)
                    values = self._value({**point, other: grid}, self.at)  # type: ignore[dict-item] # many at once
                    values = np.where(np.isfinite(values), values, -np.inf) + 0.0 * grid
                    top = int(np.argmax(values))
                    if values[top] >= best or not np.isfinite(best):
                        best, point[other] = float(values[top]), float(grid[top])
                    wide *= 4.0 / _POINTS
        return best

    def _value(self, point: Mapping[str, float], x: float) -> Floats:
        """log p, with positive parameters as logs and those of the unit interval as logits."""
        links: Mapping[str, Callable[[Floats], Floats]] = {
            "real": lambda v: v, "positive": np.exp, "unit": lambda v: 1.0 / (1.0 + np.exp(-v)),
        }  # fmt: skip
        values = {self.symbols[n]: links[k](np.asarray(point[n], np.float64))
                  for n, k in self.kinds.items()}  # fmt: skip
        try:
            with np.errstate(all="ignore"):
                return np.asarray(
                    evaluate(self.expr, {**values, self.x: np.asarray(x)}), np.float64
                )
        except NotImplementedError:
            return np.asarray(np.nan)


def _scalar(expr: sp.Expr, node: str, x: sp.Symbol, atoms: Atoms, said: int) -> sp.Expr | None:
    """The expression of numbers alone: one entry of all, in the case that there is."""
    new: dict[sp.Basic, sp.Expr] = {}
    for symbol in expr.free_symbols:
        value = _number(atoms.atom(symbol), node, x, atoms, said)
        if value is None:
            return None
        new[symbol] = value
    return expr.xreplace(new)


def _number(atom: Atom, node: str, x: sp.Symbol, atoms: Atoms, said: int) -> sp.Expr | None:
    match atom:
        case Elem(role="param", name=name):
            return sp.Symbol(name, real=True)
        case Elem(role="data", name=name, via=""):
            return x if name == node else sp.Integer(1)
        case Elem(role="latent"):
            return sp.Integer(0)
        case Elem(kind="bool"):
            return sp.Integer(said)
        case Elem():
            return sp.Integer(1)
        case Centered(of=of, through=through):
            whole = _number(of, node, x, atoms, said)
            return sp.log(whole) if through and whole is not None else whole
        case Pivot() | LogInd() | Value():
            return sp.Integer(0)
        case Seen() | Ind() | SizeOf():
            return sp.Integer(1)
        case SumOf(body=body):
            return _scalar(body, node, x, atoms, said)
        case _:
            return None
