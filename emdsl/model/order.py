"""Names in syntax, and the order in which names depend on each other. Without recursion: a file
may have a chain of ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from emdsl.syntax import ast


def names_in(nodes: Sequence[ast.Expr]) -> list[str]:
    """Every name that occurs, once, in order."""
    found: dict[str, None] = {}
    waiting: list[ast.Expr] = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            found[node.id] = None
        waiting.extend(reversed(_children(node)))
    return list(found)


def _children(node: ast.Expr) -> list[ast.Expr]:
    match node:
        case ast.Index(base=base, indices=indices):
            return [base, *indices]
        case ast.Call(args=args, keywords=keywords):
            return [*args, *(k.value for k in keywords)]
        case ast.Unary(operand=operand):
            return [operand]
        case ast.Binary(left=left, right=right):
            return [left, right]
        case ast.Conditional(then=then, test=test, orelse=orelse):
            return [then, test, orelse]
        case ast.Array(items=items):
            return list(items)
        case ast.Case(subject=subject, arms=arms):
            values = [arm.value for arm in arms if arm.value is not None]
            return [subject, *values, *(arm.body for arm in arms)]
        case _:
            return []


@dataclass(frozen=True, slots=True)
class Order:
    """Names with each after what it uses; `cycles` are the circles that were cut."""

    order: tuple[str, ...]
    cycles: tuple[tuple[str, ...], ...]


def topological(names: Sequence[str], uses: Mapping[str, Sequence[str]]) -> Order:
    """Depth first, in the order given."""
    done: dict[str, bool] = {}  # False while a name's uses are being visited
    order: list[str] = []
    cycles: list[tuple[str, ...]] = []
    for start in names:
        if start in done:
            continue
        done[start] = False
        path: list[tuple[str, Iterator[str]]] = [(start, iter(uses.get(start, ())))]
        while path:
            name, rest = path[-1]
            following = next(rest, None)
            if following is None:
                done[name] = True
                order.append(name)
                path.pop()
            elif following not in done:
                done[following] = False
                path.append((following, iter(uses.get(following, ()))))
            elif not done[following]:
                on_path = [n for n, _ in path]
                cycles.append(tuple(on_path[on_path.index(following) :]))
    return Order(tuple(order), tuple(cycles))
