"""Breaks long lines the way a formatter would: at the outermost operator or comma."""

from __future__ import annotations

_WIDTH = 99


_BINARY = ((" + ", " - "), (" * ", " / ", " @ ", " | ", " & "))


def wrapped(head: str, code: str, comment: str, indent: str) -> list[str]:
    """`head + code`, on one line if it fits, otherwise broken and indented."""
    if len(head + code + comment) <= _WIDTH:
        return [head + code + comment]
    lines = [f"{indent}{comment.strip()}"] if comment else []
    if len(head + code) <= _WIDTH:
        return [*lines, head + code]
    if any(len(split(code, signs)) > 1 for signs in _BINARY):
        return [*lines, f"{head}(", *_inside(code, indent + "    "), f"{indent})"]
    opened = _call(code)
    if opened is None and head == indent:  # a statement, which may be no expression
        return [*lines, head + code]
    if opened is None:
        inner = code[1:-1] if code.startswith("(") and _closes_at_end(code) else code
        return [*lines, f"{head}(", *_inside(inner, indent + "    "), f"{indent})"]
    start, args = opened
    if len(head + start) > _WIDTH:
        *above, head = _targets(head, indent)
        lines += above
    return [*lines, head + start, *_arguments(args, indent + "    "), f"{indent})"]


def _targets(head: str, indent: str) -> list[str]:
    """What is assigned to, `a, (b, c) = `, the names in its last brackets one below the other."""
    opened = _call(head.removesuffix(" = "))
    if opened is None:
        return [head]
    start, names = opened
    return [start, *_arguments(names, indent + "    "), f"{indent}) = "]


def _inside(code: str, indent: str, lead: str = "", tail: str = "") -> list[str]:
    """Code that stands within brackets, where a line may break at any operator."""
    if len(indent + lead + code + tail) <= _WIDTH:
        return [indent + lead + code + tail]
    for signs in _BINARY:
        first, *rest = split(code, signs)
        if rest:
            out = _inside(first, indent, lead)
            for i, part in enumerate(rest):
                last = tail if i == len(rest) - 1 else ""
                out += _inside(part[2:], indent, part[:2], last)
            return out
    opened = _call(code)
    if opened is None and code.startswith("(") and _closes_at_end(code):
        inner = _inside(code[1:-1], indent + "    ")
        return [f"{indent}{lead}(", *inner, f"{indent}){tail}"]
    if opened is None:
        return [indent + lead + code + tail]
    start, args = opened
    return [indent + lead + start, *_arguments(args, indent + "    "), f"{indent}){tail}"]


def _arguments(args: list[str], indent: str) -> list[str]:
    """A call's arguments, one below the other; a lone one needs no comma."""
    if len(args) == 1:
        return _inside(args[0], indent)
    return [line for arg in args for line in _inside(arg, indent, "", ",")]


def _closes_at_end(code: str) -> bool:
    """Whether the bracket a text starts with is the one it ends with."""
    depth = 0
    for i, c in enumerate(code):
        depth += c in "([{"
        depth -= c in ")]}"
        if depth == 0:
            return i == len(code) - 1
    return False


def split(code: str, signs: tuple[str, ...]) -> list[str]:
    """The code cut before each outermost sign; strings and brackets are not cut."""
    parts, depth, start, i = [], 0, 0, 0
    quoted = ""
    while i < len(code):
        c = code[i]
        if quoted:
            quoted = "" if c == quoted else quoted
        elif c in "\"'":
            quoted = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif depth == 0 and i > start and any(code.startswith(s, i) for s in signs):
            parts.append(code[start:i].strip())
            start = i
        i += 1
    parts.append(code[start:].strip())
    return parts


def _call(code: str) -> tuple[str, list[str]] | None:
    """`f(a, b)` as its opening and arguments, a tuple `(a, b)` too; None for anything else.

    Of calls on what calls return, `f(a).g(b)`, the last is opened.
    """
    if not code.endswith(")"):
        return None
    starts = (i + 1 for i, c in enumerate(code) if c == "(" and _closes_at_end(code[i:]))
    opening = next(starts, 0)
    args = [a.removeprefix(", ").removeprefix(",").strip()
            for a in split(code[opening:-1], (", ",))]  # fmt: skip
    if opening == 0 or (opening == 1 and len(args) == 1) or "" in args:
        return None
    return code[:opening], args
