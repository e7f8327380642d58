"""A tree as text with every operation in parentheses, and a tree without its places."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from emdsl.syntax import ast


def written(node: Any) -> str:
    """The text of an expression or a simple declaration, fully bracketed."""
    match node:
        case ast.Number():
            return node.text
        case ast.Name():
            return node.id
        case ast.Index():
            return f"{written(node.base)}[{_list(node.indices)}]"
        case ast.Call():
            return f"{node.func.id}({_list((*node.args, *node.keywords))})"
        case ast.Keyword() | ast.Hyper(default=ast.Node()):
            value = node.value if isinstance(node, ast.Keyword) else node.default
            return f"{node.name.id} = {written(value)}"
        case ast.Hyper():
            return node.name.id
        case ast.Unary():
            return f"({node.op}{' ' * (node.op == 'not')}{written(node.operand)})"
        case ast.Binary():
            return f"({written(node.left)} {node.op} {written(node.right)})"
        case ast.Conditional():
            then, test, orelse = map(written, (node.then, node.test, node.orelse))
            return f"({then} if {test} else {orelse})"
        case ast.Array():
            return f"[{_list(node.items)}]"
        case ast.Target():
            return node.name.id + (f"[{_list(node.indices)}]" if node.indices else "")
        case ast.Type():
            return node.name + (f"[{_list(node.extents)}]" if node.extents else "")
        case ast.Param(type=ast.Type()):
            return f"param {_list(node.targets)} : {written(node.type)}"
    raise AssertionError(node)


def _list(nodes: tuple[ast.Node, ...]) -> str:
    return ", ".join(written(node) for node in nodes)


def bare(value: Any) -> Any:
    """A tree as nested tuples without spans, to compare what two texts say."""
    if isinstance(value, ast.Node):
        kept = [field.name for field in fields(value) if field.name != "span"]
        return (type(value).__name__, *(bare(getattr(value, name)) for name in kept))
    return tuple(bare(part) for part in value) if isinstance(value, tuple) else value
