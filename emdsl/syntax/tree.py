"""Grammar rule → syntax tree node: one method a rule of `em.lark`. Keeps no state.

Lark calls a method at each reduction, so nothing here recurses, however deep the tree gets.
Punctuation arrives only from the rules marked `!`, and as a `Token`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from lark import Token

from emdsl.source import Span
from emdsl.syntax import ast
from emdsl.syntax.tokens import name_id, number_value, span_of

Parts = list[Any]  # what Lark hands over: nodes, tuples of nodes, tokens, None for an absent part


def _place(part: ast.Node | Token) -> Span:
    return part.span if isinstance(part, ast.Node) else span_of(part)


def _over(parts: Sequence[Any]) -> Span:
    """From the first to the last node or visible token among the parts, seen through tuples."""
    flat: list[Any] = []
    for part in parts:
        flat.extend(part if isinstance(part, tuple) else (part,))
    places = [_place(part) for part in flat if _is_seen(part)]
    return places[0].to(places[-1])


def _is_seen(part: Any) -> bool:
    if isinstance(part, Token):
        return part.type not in ("_NEWLINE", "_INDENT", "_DEDENT")
    return isinstance(part, ast.Node)


class PositionalAfterKeyword(Exception):
    """The one mistake the grammar lets through, `f(a = 1, b)`; carries where `b` stands."""

    def __init__(self, span: Span) -> None:
        super().__init__(span)
        self.span = span


class TreeBuilder:
    """The callbacks of the grammar, by rule name or alias."""

    # --- the file ----------------------------------------------------------------------------

    def file(self, parts: Parts) -> ast.File:
        header = next(p for p in parts if isinstance(p, ast.File))
        return replace(
            header,
            densities=tuple(p for p in parts if isinstance(p, ast.Density)),
            items=tuple(p for p in parts if not isinstance(p, ast.File | ast.Density)),
        )

    def header(self, parts: Parts) -> ast.File:
        keyword, name, hypers, _, doc = parts
        return ast.File(_over([keyword, name, hypers]), name, hypers or (), doc or "", (), ())

    def hypers(self, parts: Parts) -> tuple[ast.Hyper, ...]:
        return tuple(p for p in parts if p is not None)

    def hyper(self, parts: Parts) -> ast.Hyper:
        name, default = parts
        return ast.Hyper(_over(parts), name, default)

    def doc(self, parts: Parts) -> str:
        return "\n".join(str(p)[1:-1] for p in parts if p.type == "STRING")

    # --- declarations ------------------------------------------------------------------------

    def param(self, parts: Parts) -> ast.Param:
        _, targets, type_, prior = parts
        return ast.Param(_over(parts), targets, type_, _node(prior))

    def const(self, parts: Parts) -> ast.Const:
        _, targets, type_, value = parts[:4]
        return ast.Const(_over(parts), targets, type_, _node(value))

    def let(self, parts: Parts) -> ast.Let:
        _, target, value, _ = parts
        return ast.Let(_over(parts), target, value)

    def latent(self, parts: Parts) -> ast.Latent:
        _, targets, type_, dist = parts
        return ast.Latent(_over(parts), targets, type_, dist)

    def data(self, parts: Parts) -> ast.Data:
        _, targets, type_, dist = parts
        return ast.Data(_over(parts), targets, type_, dist)

    def input(self, parts: Parts) -> ast.Input:
        _, targets, type_, _ = parts
        return ast.Input(_over(parts), targets, type_)

    def plate(self, parts: Parts) -> ast.Plate:
        _, index, _, extent, weight, _, _, body = parts
        return ast.Plate(_over(parts[:-1]), index, extent, weight, body)

    def infer(self, parts: Parts) -> ast.Infer:
        _, targets, _, method, _, args, _, _ = parts
        return ast.Infer(_over(parts), targets, method, args or ())

    def constrain(self, parts: Parts) -> ast.Constrain:
        _, relation, _ = parts
        return ast.Constrain(_over(parts), relation)

    def targets(self, parts: Parts) -> tuple[ast.Target, ...]:
        return tuple(parts)

    def target(self, parts: Parts) -> ast.Target:
        return ast.Target(_over(parts), parts[0], parts[2] or ())

    def names(self, parts: Parts) -> tuple[ast.Name, ...]:
        return tuple(parts)

    def type(self, parts: Parts) -> ast.Type:
        return ast.Type(_over(parts), parts[0].id, parts[2] or ())

    def block(self, parts: Parts) -> tuple[ast.Item, ...]:
        return tuple(parts)

    def case(self, parts: Parts) -> ast.Case:
        _, subject, _, _, arms = parts
        return ast.Case(_over(parts[:-1]), subject, arms)

    def arms(self, parts: Parts) -> tuple[ast.Arm, ...]:
        return tuple(parts)

    def arm(self, parts: Parts) -> ast.Arm:
        value, _, body = parts
        return ast.Arm(_over(parts), _node(value), body)

    def density(self, parts: Parts) -> ast.Density:
        keyword, name, _, variable, parameters, _, body, _ = parts
        return ast.Density(_over(parts), name, str(keyword), variable, parameters or (), body)

    def variable(self, parts: Parts) -> ast.Argument:
        name, type_ = parts
        return ast.Argument(_over(parts), name, type_)

    def groups(self, parts: Parts) -> tuple[ast.Argument, ...]:
        return tuple(argument for group in parts if group is not None for argument in group)

    def group(self, parts: Parts) -> tuple[ast.Argument, ...]:
        names, type_ = parts
        return tuple(ast.Argument(name.span.to(type_.span), name, type_) for name in names)

    # --- expressions -------------------------------------------------------------------------

    def conditional(self, parts: Parts) -> ast.Conditional:
        then, test, orelse = parts
        return ast.Conditional(_over(parts), then, test, orelse)

    def binary(self, parts: Parts) -> ast.Binary:
        left, op, right = parts
        return ast.Binary(_over(parts), "^" if op.type == "POWER" else str(op), left, right)

    def unary(self, parts: Parts) -> ast.Unary:
        op, operand = parts
        return ast.Unary(_over(parts), str(op), operand)

    def index(self, parts: Parts) -> ast.Index:
        base, indices, _ = parts
        return ast.Index(_over(parts), base, indices)

    def call(self, parts: Parts) -> ast.Call:
        func, arguments, _ = parts
        given = arguments or ()
        args = tuple(takewhile(lambda a: not isinstance(a, ast.Keyword), given))
        keywords = given[len(args) :]
        for argument in keywords:
            if not isinstance(argument, ast.Keyword):
                raise PositionalAfterKeyword(argument.span)
        return ast.Call(_over(parts), func, args, keywords)

    def arguments(self, parts: Parts) -> tuple[ast.Expr | ast.Keyword, ...]:
        return tuple(p for p in parts if p is not None)

    def keyword(self, parts: Parts) -> ast.Keyword:
        name, value = parts
        return ast.Keyword(_over(parts), name, value)

    def grouped(self, parts: Parts) -> ast.Expr:
        expr: ast.Expr = parts[1]
        return replace(expr, span=_over(parts))

    def array(self, parts: Parts) -> ast.Array:
        return ast.Array(_over(parts), parts[1])

    def exprs(self, parts: Parts) -> tuple[ast.Expr, ...]:
        return tuple(p for p in parts if p is not None)

    def number(self, parts: Parts) -> ast.Number:
        (token,) = parts
        return ast.Number(_place(token), number_value(str(token)), str(token))

    def name(self, parts: Parts) -> ast.Name:
        (token,) = parts
        return ast.Name(_place(token), name_id(str(token)))


def _node(part: Any) -> Any:
    """The part where it is a node, None where a token (an end of line, `else`) stands for it."""
    return part if isinstance(part, ast.Node) else None
