"""The model as a graph: every name, size and type resolved, every node over named plate axes.

Knows no mathematics of distributions and nothing of inference. `build.py` makes it from the
syntax tree; `derive/` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emdsl.model.kinds import DISCRETE, MATRICES, Kind
from emdsl.source import Source, Span

# --- extents and types -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
    """A named size, such as `K`, `D` or a plate's `N`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Fixed:
    """A size written as a number, as in `simplex[3]`."""

    value: int

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Ragged:
    """`T[s]`: an extent that differs along the plate axis `over`."""

    name: str
    over: str

    def __str__(self) -> str:
        return f"{self.name}[{self.over}]"


Extent = Size | Fixed | Ragged


@dataclass(frozen=True, slots=True)
class Type:
    """A type: `shape` holds the event dimensions, `values` the extent of category and index.

    `simplex[K]`, `ordered[K]` and `shape[K]` have shape (K,), `posdef[D]` and `orthogonal[D]` shape
    (D, D).
    """

    kind: Kind
    shape: tuple[Extent, ...] = ()
    values: Extent | None = None

    @property
    def discrete(self) -> bool:
        return self.kind in DISCRETE

    def __str__(self) -> str:
        if self.values is not None:
            inner = [str(self.values), *map(str, self.shape)]
        elif self.kind in MATRICES:
            inner = [str(self.shape[0])]
        else:
            inner = [str(e) for e in self.shape]
        return f"{self.kind}[{', '.join(inner)}]" if inner else self.kind


# --- expressions -----------------------------------------------------------------------------

Role = Literal["param", "latent", "data", "input", "const", "argument"]


@dataclass(frozen=True, slots=True)
class Number:
    value: int | float
    span: Span
    shape: tuple[Extent, ...] = ()


@dataclass(frozen=True, slots=True)
class TheOne(Number):
    """The place 0 of what stands in no plate, which nobody writes."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A declared name with the indices written; `shape` is what the indices leave.

    Indices of a variable in plates come first in plate order; of a param or const, its batch
    dimensions and then, if written, its event dimensions. `role` "argument" occurs only inside
    the body of a user's density.
    """

    name: str
    role: Role
    indices: tuple[Expr, ...]
    span: Span
    shape: tuple[Extent, ...] = ()


@dataclass(frozen=True, slots=True)
class AxisRef:
    """A plate index (`n`, `t`) used as an index or a number."""

    axis: str
    span: Span
    shape: tuple[Extent, ...] = ()


@dataclass(frozen=True, slots=True)
class SizeRef:
    """A size used as a number (`1 / K`)."""

    extent: Extent
    span: Span
    shape: tuple[Extent, ...] = ()


Op = Literal[
    "add", "sub", "mul", "div", "pow", "neg", "matmul", "dot", "sum",
    "exp", "log", "sqrt", "abs", "sin", "cos", "tanh", "logistic", "softmax", "lgamma",
    "diag", "transpose", "eye", "zeros", "ones",
    "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "if",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on expressions. Elementwise ones broadcast as NumPy does.

    `if` has arguments (test, then, orelse). `eye`, `zeros`, `ones` have no arguments, only a shape.
    `matmul` is matrix @ vector or matrix @ matrix; `dot` is vector . vector; `sum` sums everything.
    """

    op: Op
    args: tuple[Expr, ...]
    span: Span
    shape: tuple[Extent, ...] = ()


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """An array literal; every item has the same shape."""

    items: tuple[Expr, ...]
    span: Span
    shape: tuple[Extent, ...] = ()


Expr = Number | Ref | AxisRef | SizeRef | Apply | ArrayOf


# --- distributions ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draw:
    """A family with its arguments by name, in the family's order.

    Names are the family's parameters or those of one of its alternatives (`var`); defaults are
    filled in.
    """

    family: str
    args: tuple[tuple[str, Expr], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Choice:
    """`then if test else orelse`; a `case` is built as a chain of these."""

    test: Expr
    then: Distribution
    orelse: Distribution
    span: Span


@dataclass(frozen=True, slots=True)
class Limited:
    """`Censored(base, lower, upper)`, `Truncated(base, lower, upper)` or `Interval(base)`.

    An interval's limits are its data: the two ends between which a value of the base lies.
    """

    kind: Literal["censored", "truncated", "interval"]
    base: Draw
    lower: Expr | None
    upper: Expr | None
    span: Span


Distribution = Draw | Choice | Limited


def draws(dist: Distribution) -> tuple[Draw, ...]:
    """The plain draws of a distribution; what is limited is none."""
    match dist:
        case Draw():
            return (dist,)
        case Choice():
            return (*draws(dist.then), *draws(dist.orelse))
        case Limited():
            return ()


# --- declarations ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SizeFrom:
    """Where a size is read: dimension `dim` of an array, or one more than its largest value."""

    array: str
    dim: int | Literal["values"]


@dataclass(frozen=True, slots=True)
class SizeDecl:
    """A size: a header hyperparameter, or read off the arrays in `sources` (all must agree).

    `over` is the plate axis along which a ragged size (`T[s]`) differs.
    """

    name: str
    hyper: bool
    default: int | None
    sources: tuple[SizeFrom, ...]
    span: Span
    over: str | None = None


@dataclass(frozen=True, slots=True)
class Plate:
    """A plate: its index name is the axis name, unique in the file.

    `outer` are the enclosing axes, outermost first; `weight` counts replicates (`times`). `single`
    says that the file doesn't have it: it holds what stands in no plate (`model/outside.py`).
    """

    axis: str
    extent: Extent
    outer: tuple[str, ...]
    weight: Ref | None
    span: Span
    single: bool = False


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: `batch` dimensions (`mean[K]`), then the type's shape."""

    name: str
    batch: tuple[Extent, ...]
    type: Type
    prior: Distribution | None
    span: Span

    @property
    def shape(self) -> tuple[Extent, ...]:
        return (*self.batch, *self.type.shape)


@dataclass(frozen=True, slots=True)
class Variable:
    """A latent, data or input over plate axes (outermost first), with its type.

    `added` says that the file doesn't have it: a latent of a rewritten data node.
    """

    name: str
    role: Literal["latent", "data", "input"]
    plates: tuple[str, ...]
    type: Type
    dist: Distribution | None
    span: Span
    added: bool = False


@dataclass(frozen=True, slots=True)
class Const:
    """A constant array: nested tuples of numbers, or None where it is given when fitting."""

    name: str
    type: Type
    shape: tuple[Extent, ...]
    value: object
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    """A named expression; uses are already replaced by it, it is kept for reports."""

    name: str
    plates: tuple[str, ...]
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Density:
    """A user's density; `body` is over `Ref`s of role "argument".

    `word` is `density` (continuous) or `mass` (discrete), of integral 1; or `likelihood`, what one
    observation adds to the likelihood whether or not it integrates to anything.
    """

    name: str
    word: str
    variable: tuple[str, Type]
    parameters: tuple[tuple[str, Type], ...]
    body: Expr
    span: Span

    @property
    def discrete(self) -> bool:
        return self.variable[1].discrete

    @property
    def normalised(self) -> bool:
        """Whether it claims to integrate to 1."""
        return self.word != "likelihood"


# How a data node is written for the derivation: with a latent of its own, or as it stands.
WRITINGS = ("augmentation", "numeric")


@dataclass(frozen=True, slots=True)
class Infer:
    """`infer z using method`: of latents an approximation, of data one of `WRITINGS`."""

    targets: tuple[str, ...]
    method: str
    args: tuple[Expr, ...]
    span: Span


ConstraintKind = Literal["fixed", "tie", "linear", "bound"]
Relation = Literal["==", ">=", "<="]


@dataclass(frozen=True, slots=True)
class Entries:
    """`coefficient * name[index]` in a constraint: each entry that the index leaves, or their sum.

    `shape` is what the index leaves; `index` are whole numbers.
    """

    name: str
    index: tuple[int, ...]
    coefficient: float
    summed: bool
    shape: tuple[Extent, ...]
    span: Span

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.index))
        name = f"{self.name}[{inner}]" if inner else self.name
        return f"sum({name})" if self.summed else name


@dataclass(frozen=True, slots=True)
class Constraint:
    """The sum of the terms `relation` the value, for each entry; `text` as written.

    `kind` says what it comes to: an entry fixed, two that are tied, a linear equation, a bound.
    `of_prior` are bounds that no line of the file says but a prior's support.
    """

    kind: ConstraintKind
    terms: tuple[Entries, ...]
    relation: Relation
    value: float
    text: str
    span: Span
    of_prior: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A whole model. Tuples keep the order of the file."""

    source: Source
    name: str
    doc: str
    sizes: tuple[SizeDecl, ...]
    plates: tuple[Plate, ...]
    params: tuple[Param, ...]
    variables: tuple[Variable, ...]
    consts: tuple[Const, ...]
    lets: tuple[Let, ...]
    densities: tuple[Density, ...]
    infer: tuple[Infer, ...]
    constraints: tuple[Constraint, ...] = ()

    def plate(self, axis: str) -> Plate:
        return next(p for p in self.plates if p.axis == axis)

    def param(self, name: str) -> Param:
        return next(p for p in self.params if p.name == name)

    def variable(self, name: str) -> Variable:
        return next(v for v in self.variables if v.name == name)

    def const(self, name: str) -> Const:
        return next(c for c in self.consts if c.name == name)
