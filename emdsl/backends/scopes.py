"""Finds every reference to a module's top-level names in its text, and renames them in place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Named = ast.ExceptHandler | ast.MatchAs | ast.MatchStar  # what binds a name by itself
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True)
class Reference:
    """A global name where it stands; with `attribute` it is `name.attribute`.

    `text` is the literal that it stands in, where that is an f-string: there the tree's columns
    are of no use before Python 3.12.
    """

    node: ast.expr | ast.stmt
    name: str
    attribute: str | None = None
    text: ast.JoinedStr | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A reference, the text that stands there (a name, or `module.name`) and what is to."""

    reference: Reference
    old: str
    new: str


def references(tree: ast.Module) -> list[Reference]:
    """Every reference to a name of the module's top level, definitions included."""
    return list(_walk(tree, (), None))


def identifiers(tree: ast.Module) -> frozenset[str]:
    """Every name that is bound or read anywhere in the module."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, _Named) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
    return frozenset(found)


# --- scopes ------------------------------------------------------------------------------------


def _walk(
    node: ast.AST, scopes: tuple[frozenset[str], ...], text: ast.JoinedStr | None
) -> Iterator[Reference]:
    """References below `node`; `scopes` are the names of the functions around it."""
    if isinstance(node, ast.JoinedStr) and text is None:
        text = node

    def is_global(name: str) -> bool:
        return not any(name in s for s in scopes)

    if (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and is_global(node.value.id)
    ):
        yield Reference(node, node.value.id, node.attr, text)
        return
    if isinstance(node, ast.Name):
        if is_global(node.id):
            yield Reference(node, node.id, None, text)
        return
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and is_global(node.name):
        yield Reference(node, node.name)
    if isinstance(node, _Function):
        inner = (*scopes, _locals(node))
        for child in _outer_parts(node):
            yield from _walk(child, scopes, text)
        for statement in node.body if isinstance(node.body, list) else [node.body]:
            yield from _walk(statement, inner, text)
        return
    if isinstance(node, _Comprehension):
        names = (t.id for g in node.generators for t in ast.walk(g.target)
                 if isinstance(t, ast.Name))  # fmt: skip
        scopes = (*scopes, frozenset(names))
    elif isinstance(node, ast.ClassDef):
        for part in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            yield from _walk(part, scopes, text)
        own = frozenset(_stored(node.body))
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef):  # which doesn't see the names of its class
                found = _walk(statement, scopes, text)
                yield from (ref for ref in found if ref.node is not statement)
            else:
                yield from _walk(statement, (*scopes, own), text)
        return
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, scopes, text)


def _outer_parts(node: _Function) -> Iterator[ast.AST]:
    """What of a function is evaluated where it is defined."""
    arguments = node.args
    yield from (d for d in (*arguments.defaults, *arguments.kw_defaults) if d is not None)
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    for arg in (*every, arguments.vararg, arguments.kwarg):
        if arg is not None and arg.annotation is not None:
            yield arg.annotation
    if not isinstance(node, ast.Lambda):
        yield from node.decorator_list
        if node.returns is not None:
            yield node.returns


def _locals(node: _Function) -> frozenset[str]:
    arguments = node.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    names = {a.arg for a in (*every, arguments.vararg, arguments.kwarg) if a is not None}
    if not isinstance(node, ast.Lambda):
        names |= set(_stored(node.body))
    return frozenset(names)


def _stored(body: Iterable[ast.AST]) -> Iterator[str]:
    """Names that statements bind in their own scope, imports of emdsl left out."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, (*_Comprehension.__args__, ast.Lambda)):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if not (getattr(node, "module", None) or "").startswith("emdsl"):
                yield from ((a.asname or a.name).split(".")[0] for a in node.names)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
        if isinstance(node, _Named) and node.name:
            yield node.name
        if isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        yield from _stored(ast.iter_child_nodes(node))


# --- text --------------------------------------------------------------------------------------


def apply(text: str, edits: Iterable[Edit], removed: Iterable[ast.stmt]) -> list[str | None]:
    """The text's lines with names replaced, and None for the lines of removed statements."""
    lines: list[bytes | None] = [line.encode() for line in text.split("\n")]
    literals: dict[int, tuple[ast.JoinedStr, dict[str, str]]] = {}
    places: list[tuple[int, int, int, str]] = []
    for edit in edits:
        ref, node = edit.reference, edit.reference.node
        if edit.old == edit.new:
            continue
        if ref.text is not None:
            literals.setdefault(id(ref.text), (ref.text, {}))[1][edit.old] = edit.new
            continue
        start = node.col_offset
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            start += len("def " if isinstance(node, ast.FunctionDef) else "class ")
        places.append((node.lineno - 1, start, start + len(edit.old.encode()), edit.new))
    for number, start, stop, new in sorted(places, reverse=True):
        line = lines[number]
        assert line is not None
        lines[number] = line[:start] + new.encode() + line[stop:]
    for literal, names in literals.values():
        for number in range(literal.lineno - 1, literal.end_lineno or literal.lineno):
            line = lines[number]
            assert line is not None
            lines[number] = _in_fields(line.decode(), names).encode()
    for statement in removed:
        for number in range(statement.lineno - 1, statement.end_lineno or statement.lineno):
            lines[number] = None
    return [None if line is None else line.decode() for line in lines]


def _in_fields(line: str, names: dict[str, str]) -> str:
    """Rename inside the {...} of a line of an f-string."""
    pattern = "|".join(re.escape(n) for n in sorted(names, key=len, reverse=True))
    name = re.compile(rf"(?<![\w.\"'])(?:{pattern})(?![\w\"'])")
    out, depth, start = [], 0, 0
    for i, char in enumerate(line):
        if char == "{":
            if depth == 0:
                out.append(line[start:i])
                start = i
            depth += 1
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                out.append(name.sub(lambda m: names[m[0]], line[start : i + 1]))
                start = i + 1
    out.append(line[start:])
    return "".join(out)
