"""What is known of each declared name while a model is built.

The only mutable thing in this stage: the passes of `build.py` fill it in turn. Knows no syntax of
expressions and no distributions.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from emdsl.diagnostics import Diagnostic
from emdsl.families import FAMILIES
from emdsl.families.family import Family
from emdsl.model import graph as g
from emdsl.source import Source, Span
from emdsl.syntax import ast

Role = Literal["param", "latent", "data", "input", "const", "let"]
Statement = ast.Param | ast.Const | ast.Let | ast.Latent | ast.Data | ast.Input

# A constant: a number, or rows of them. None in the table where it is wrong.
Value = int | float | tuple["Value", ...]

A_ROLE: Mapping[Role, str] = {
    "param": "a param",
    "latent": "a latent",
    "data": "data",
    "input": "an input",
    "const": "a const",
    "let": "a let",
}

LIMITING = ("Censored", "Truncated", "Interval")  # what wraps a distribution
FUNCTIONS: Mapping[str, str] = {
    "exp": "exp(x)",
    "log": "log(x)",
    "sqrt": "sqrt(x)",
    "abs": "abs(x)",
    "sin": "sin(x)",
    "cos": "cos(x)",
    "tanh": "tanh(x)",
    "logistic": "logistic(x)",
    "softmax": "softmax(v)",
    "lgamma": "lgamma(x)",
    "dot": "dot(u, v)",
    "sum": "sum(v)",
    "diag": "diag(v)",
    "transpose": "transpose(A)",
    "eye": "eye[D]",
    "zeros": "zeros[D]",
    "ones": "ones[D]",
}

# What other packages call a distribution that has another name here.
_SYNONYMS: Mapping[str, str] = {
    "Gaussian": "Normal",
    "MultivariateNormal": "MvNormal",
    "MultiNormal": "MvNormal",
    "Discrete": "Categorical",
    "Constant": "Delta",
    "Exp": "Exponential",
    "NegBinomial": "NegativeBinomial",
    "Student": "StudentT",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """The plates around a place, outermost first: the index as written, and its axis."""

    axes: tuple[tuple[str, str], ...] = ()

    def axis(self, index: str) -> str | None:
        return next((axis for name, axis in self.axes if name == index), None)

    def inside(self, index: str, axis: str) -> Scope:
        return Scope((*self.axes, (index, axis)))

    @property
    def indices(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.axes)

    @property
    def plates(self) -> tuple[str, ...]:
        return tuple(axis for _, axis in self.axes)


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared name. `position` counts declarations in the order of the file."""

    name: str
    role: Role
    span: Span
    target: ast.Target | None
    statement: Statement | None
    scope: Scope
    position: int

    @property
    def plates(self) -> tuple[str, ...]:
        return self.scope.plates

    def written(self) -> str:
        """The name with its plates' indices, as it should be referred to."""
        return f"{self.name}[{', '.join(self.scope.indices)}]" if self.scope.axes else self.name


@dataclass(frozen=True, slots=True)
class SizeUse:
    """A place where a size is used; `over` is the axis of a ragged one."""

    span: Span
    over: str | None


@dataclass(slots=True)
class Table:
    """Everything found so far, and every problem with it."""

    source: Source
    model: str
    names: dict[str, Declared] = field(default_factory=dict)
    hyper: dict[str, g.SizeDecl] = field(default_factory=dict)
    sizes: dict[str, list[SizeUse]] = field(default_factory=dict)
    plates: dict[str, g.Plate] = field(default_factory=dict)
    indices: dict[str, Span] = field(default_factory=dict)
    weights: dict[str, tuple[ast.Expr, Scope]] = field(default_factory=dict)
    values: dict[str, Value | None] = field(default_factory=dict)
    batch: dict[str, tuple[g.Extent, ...]] = field(default_factory=dict)
    types: dict[str, g.Type] = field(default_factory=dict)
    lets: dict[str, g.Expr | None] = field(default_factory=dict)
    densities: dict[str, g.Density] = field(default_factory=dict)
    families: dict[str, ast.Density] = field(default_factory=dict)
    rejected: list[Declared] = field(default_factory=list)
    circular: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    problems: list[Diagnostic] = field(default_factory=list)
    muted: int = 0
    _searches: int = 0

    def report(self, diagnostic: Diagnostic) -> None:
        """Keep a problem, unless this pass only looks ahead for types."""
        if not self.muted:
            self.problems.append(diagnostic)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """A stretch in which problems are not kept: a later pass will find them again."""
        self.muted += 1
        try:
            yield
        finally:
            self.muted -= 1

    def is_distribution(self, name: str) -> bool:
        return name in FAMILIES or name in self.families or name in LIMITING

    def family(self, name: str) -> Family | None:
        """The language's family of this name, unless the file declares a density of its own."""
        return None if name in self.families else FAMILIES.get(name)

    def dims(self, name: str) -> tuple[g.Extent, ...] | None:
        """Every dimension of a declared array, plates and batch first; None if not known."""
        declared, type_ = self.names[name], self.types.get(name)
        if type_ is None or declared.role == "let":
            return None
        outer = self.batch.get(name, ())
        if declared.role in ("latent", "data", "input"):
            outer = tuple(self.plates[axis].extent for axis in declared.plates)
        return (*outer, *type_.shape)

    def near(self, name: str, candidates: Iterable[str]) -> Sequence[str]:
        """Up to three names like this one. Bounded, whatever the file: the search is slow."""
        if self.muted or self._searches > 50:
            return ()
        self._searches += 1
        pool = list(dict.fromkeys(candidates))
        if len(pool) > 500:
            pool = [c for c in pool if c[:1] == name[:1] and abs(len(c) - len(name)) < 3][:500]
        if name in _SYNONYMS and _SYNONYMS[name] in pool:
            return (_SYNONYMS[name],)
        folded = [c for c in pool if c.lower() == name.lower()]
        return folded or _closest(name, pool)

    def near_distribution(self, name: str) -> Sequence[str]:
        return self.near(name, (*FAMILIES, *self.families, *LIMITING))


def _closest(name: str, pool: Sequence[str]) -> Sequence[str]:
    """The most similar names: the best, and those about as good."""
    found = difflib.get_close_matches(name, pool, n=3, cutoff=0.7)
    scores = [difflib.SequenceMatcher(None, name, other).ratio() for other in found]
    return [other for other, score in zip(found, scores, strict=True) if score > scores[0] - 0.1]
