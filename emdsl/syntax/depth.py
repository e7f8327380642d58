"""Check that a tree is shallow enough for the later stages, which walk it recursively."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from emdsl.diagnostics import CompileError, Diagnostic
from emdsl.source import Source
from emdsl.syntax import ast

DEEPEST_TREE = 200


def verify_depth(tree: ast.File, source: Source) -> None:
    """Raise where the tree is deeper than `DEEPEST_TREE`; doesn't recurse itself."""
    waiting: list[tuple[ast.Node, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST_TREE:
            found = f"an expression of more than {DEEPEST_TREE} nested or chained operations"
            hint = "name its parts with `let`, or write it with `sum` or `dot`"
            raise CompileError(source, (Diagnostic("too-deep", found, node.span, hint),))
        waiting.extend((child, depth + 1) for child in children(node))


def children(node: ast.Node) -> Iterator[ast.Node]:
    """The nodes directly below `node`, as written."""
    for field in fields(node):
        value = getattr(node, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, ast.Node):
                yield part
