"""The syntax tree of a `.em` file: what was written, every node with its span.

Knows no meaning: names are not resolved, and a distribution is just a call.
"""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.source import Span


@dataclass(frozen=True, slots=True)
class Node:
    span: Span


# --- expressions -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A literal; `text` keeps how it was written, `value` is an int where it has no point."""

    value: int | float
    text: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    id: str


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`base[i, j]`; also `zeros[L]`."""

    base: Expr
    indices: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Keyword(Node):
    """`name = value` in a call."""

    name: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`func(args, name = value)`: a function or a distribution."""

    func: Name
    args: tuple[Expr, ...]
    keywords: tuple[Keyword, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`op` is one of `-`, `+`, `not`."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`op` is one of `+ - * / @ ^` (`**` is read as `^`), `and`, `or`, `== != < <= > >=`."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`then if test else orelse`, of expressions or of distributions."""

    then: Expr
    test: Expr
    orelse: Expr


@dataclass(frozen=True, slots=True)
class Array(Node):
    """`[a, b, c]`, possibly nested."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Arm(Node):
    """One line of a `case`: `value: body`, or `else: body` where `value` is None."""

    value: Expr | None
    body: Expr


@dataclass(frozen=True, slots=True)
class Case(Node):
    """`case subject:` and an indented block of arms; only after `~`."""

    subject: Expr
    arms: tuple[Arm, ...]


Expr = Number | Name | Index | Call | Unary | Binary | Conditional | Array | Case


# --- declarations ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Type(Node):
    """`real[D, L]`: a type word with its extents (`category[V]`, `posdef[D]`, `unit`)."""

    name: str
    extents: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Target(Node):
    """The name being declared, with its batch extents (`mean[K]`) or plate indices (`z[n]`)."""

    name: Name
    indices: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Param(Node):
    """`param V0, Q : posdef[L] ~ prior`; a list of targets shares the type and the prior."""

    targets: tuple[Target, ...]
    type: Type | None
    prior: Expr | None


@dataclass(frozen=True, slots=True)
class Const(Node):
    """`const cell = [0, 1]`, or `const offset : real[D]` whose value is given when fitting."""

    targets: tuple[Target, ...]
    type: Type | None
    value: Expr | None


@dataclass(frozen=True, slots=True)
class Let(Node):
    """`let eta[n] = dot(beta, u[n])`."""

    target: Target
    value: Expr


@dataclass(frozen=True, slots=True)
class Latent(Node):
    targets: tuple[Target, ...]
    type: Type | None
    dist: Expr


@dataclass(frozen=True, slots=True)
class Data(Node):
    targets: tuple[Target, ...]
    type: Type | None
    dist: Expr


@dataclass(frozen=True, slots=True)
class Input(Node):
    targets: tuple[Target, ...]
    type: Type | None


@dataclass(frozen=True, slots=True)
class Plate(Node):
    """`for n in N times freq[n]:` and its body."""

    index: Name
    extent: Expr
    weight: Expr | None
    body: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """`s : positive` in a density's head."""

    name: Name
    type: Type


@dataclass(frozen=True, slots=True)
class Density(Node):
    """`density Name(x : type; a : type, b : type) = body`; `word` is what it starts with."""

    name: Name
    word: str
    variable: Argument
    parameters: tuple[Argument, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class Infer(Node):
    """`infer theta, z using meanfield` or `using quadrature(21)`."""

    targets: tuple[Name, ...]
    method: Name
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Constrain(Node):
    """`constrain mean[0] == mean[2]`; `relation` is whatever expression was written."""

    relation: Expr


@dataclass(frozen=True, slots=True)
class Hyper(Node):
    """A header size `K = 2`; `default` is None where none is given."""

    name: Name
    default: Expr | None


Item = Param | Const | Let | Latent | Data | Input | Plate | Infer | Constrain


@dataclass(frozen=True, slots=True)
class File(Node):
    """A whole file: densities may stand before or after the header, at the top level."""

    name: Name
    hyper: tuple[Hyper, ...]
    doc: str
    densities: tuple[Density, ...]
    items: tuple[Item, ...]
