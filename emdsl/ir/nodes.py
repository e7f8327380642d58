"""The array program: small immutable nodes over arrays with named axes.

Axes are names, so broadcasting, transposition and einsum letters are decided in one place (the
backend) and a product of arrays needs no thought of their order. Knows nothing of models.
"""

from __future__ import annotations

from dataclasses import dataclass

Dim = str | int  # the size an axis has: a name in scope, or a number


@dataclass(frozen=True, slots=True)
class Axis:
    """A named axis and its size."""

    name: str
    dim: Dim


# --- expressions -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lit:
    """A number."""

    value: float | int


@dataclass(frozen=True, slots=True)
class Array:
    """A variable in scope with its axes in storage order; a repeated axis is its diagonal."""

    name: str
    axes: tuple[Axis, ...] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """0, 1, 2, ... along an axis."""

    axis: Axis


@dataclass(frozen=True, slots=True)
class Map:
    """An elementwise operation; arguments broadcast by axis name.

    Operators: add mul div pow neg eq ne lt le gt ge and or not where; functions: log safelog
    log_inside exp sqrt abs sin cos tanh sign lgamma digamma trigamma xlogy atan2 i0 log_i0
    log_rising digamma_rise trigamma_rise log1p log1p_ratio bessel_ratio bessel_slope log1pexp
    abs_power expit indicator log_indicator, and those of `families.cumulative`.
    """

    op: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """The sum over `sums` of the product of the arguments."""

    args: tuple[Expr, ...]
    sums: tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class Gather:
    """`array` with some axes taken at places: (axis or integer-valued expression) per dimension."""

    name: str
    places: tuple[Axis | Expr, ...]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A named function of whole arrays, each given in the axes stated; the result has `axes`.

    An argument is an expression laid out over its axes, a plain value, or None.
    """

    func: str
    args: tuple[Whole | int | float | str | None, ...]
    axes: tuple[Axis, ...] = ()


@dataclass(frozen=True, slots=True)
class Whole:
    """An expression laid out over exactly these axes (broadcast to them where `full`)."""

    value: Expr
    axes: tuple[Axis, ...]
    full: bool = False


Expr = Lit | Array | Range | Map | Contract | Gather | Kernel


def axes_of(expr: Expr) -> tuple[Axis, ...]:
    """The axes of an expression's value, in order of first appearance."""
    match expr:
        case Lit():
            return ()
        case Array(axes=axes) | Kernel(axes=axes):
            return tuple(dict.fromkeys(axes))
        case Range(axis=axis):
            return (axis,)
        case Map(args=args):
            return tuple(dict.fromkeys(a for x in args for a in axes_of(x)))
        case Contract(args=args, sums=sums):
            free = dict.fromkeys(a for x in args for a in axes_of(x))
            return tuple(a for a in free if a not in sums)
        case Gather(places=places):
            return tuple(
                dict.fromkeys(
                    a for p in places for a in ((p,) if isinstance(p, Axis) else axes_of(p))
                )
            )


# --- statements ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comment:
    text: str


@dataclass(frozen=True, slots=True)
class Blank:
    pass


@dataclass(frozen=True, slots=True)
class Assign:
    """`name = value`, laid out over `value.axes`; the shape is written as a comment."""

    name: str
    value: Whole


@dataclass(frozen=True, slots=True)
class AddTo:
    """`name += value`, in place."""

    name: str
    value: Whole


@dataclass(frozen=True, slots=True)
class Bind:
    """`names = func(args)`: several results, or one whose shape isn't stated."""

    names: tuple[str, ...]
    func: str
    args: tuple[Whole | int | float | str | None, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """`name = mapping[key]`, or `.get(key)` where it may be absent; `axes` are for the comment."""

    name: str
    mapping: str
    key: str
    axes: tuple[Axis, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class When:
    """`if condition:` body, else orelse; the condition is a name or a test of one."""

    condition: str
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()


@dataclass(frozen=True, slots=True)
class Return:
    """`return value`: a name, a tuple of names, or a mapping of keys to names."""

    value: str | tuple[str, ...] | tuple[tuple[str, str], ...]
    call: str = ""  # wrap: `return call(value...)`


@dataclass(frozen=True, slots=True)
class For:
    """`for names in func(args):` body."""

    names: tuple[str, ...]
    func: str
    args: tuple[Whole | int | float | str | None, ...]
    body: tuple[Stmt, ...]


Stmt = Comment | Blank | Assign | AddTo | Bind | Item | When | For | Return


@dataclass(frozen=True, slots=True)
class Function:
    """`def name(parameters) -> returns` with a docstring."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    returns: str
    doc: str
    body: tuple[Stmt, ...]
    guarded: bool = False  # 0 / 0 is expected and settled afterwards


@dataclass(frozen=True, slots=True)
class Module:
    """A whole generated module.

    `meta` and `program` are literal Python; `hyper` the sizes chosen at fitting: (Python name,
    name, default or None).
    """

    doc: str
    meta: tuple[str, ...]
    functions: tuple[Function, ...]
    program: tuple[str, ...]
    hyper: tuple[tuple[str, str, int | None], ...]
