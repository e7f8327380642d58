"""Breaks long lines the way a formatter would: at the outermost operator or comma."""

from __future__ import annotations

_WIDTH = 99


def wrapped(head: str, code: str, comment: str, indent: str, tail: str = "") -> list[str]:
    """`head + code + tail`, on one line if it fits, otherwise broken and indented.

    `tail` is the comma after an argument.
    """
    if len(head + code + tail + comment) <= _WIDTH:
        return [head + code + tail + comment]
    lines = [f"{indent}{comment.strip()}"] if comment else []
    if len(head + code + tail) <= _WIDTH:
        return [*lines, head + code + tail]
    inner = indent + "    "
    for signs in ((" + ", " - "), (" * ", " / ", " @ ", " | ", " & ")):
        parts = split(code, signs)
        if len(parts) > 1:
            return [*lines, f"{head}(", *_nested(parts, inner), f"{indent}){tail}"]
    opened = _call(code)
    if opened is not None:
        start, args = opened
        out = [*lines, f"{head}{start}"]
        for arg in args:
            out.extend(wrapped(inner, arg, "", inner, ","))
        return [*out, f"{indent}){tail}"]
    return [*lines, head + code + tail]


def _nested(parts: list[str], indent: str) -> list[str]:
    out: list[str] = []
    for part in parts:
        out.extend([indent + part] if len(indent + part) <= _WIDTH else _long(part, indent))
    return out


def _long(part: str, indent: str) -> list[str]:
    """A part of a sum or product that is itself too long for a line."""
    lead = ""
    for sign in ("+ ", "- ", "* ", "/ ", "@ ", "| ", "& "):
        if part.startswith(sign):
            lead, part = sign, part[len(sign) :]
            break
    factors = split(part, (" * ", " / ", " @ "))
    if len(factors) > 1:
        first, *rest = factors
        out = wrapped(indent + lead, first, "", indent)
        for factor in rest:
            out += [indent + factor] if len(indent + factor) <= _WIDTH else _long(factor, indent)
        return out
    if part.startswith("(") and _closes_at_end(part):
        inner = indent + "    "
        terms = split(part[1:-1], (" + ", " - "))
        return [f"{indent}{lead}(", *_nested(terms, inner), f"{indent})"]
    return wrapped(indent + lead, part, "", indent)


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
    """`f(a, b)` as its opening and arguments; None where the code isn't one call."""
    if not code.endswith(")") or "(" not in code[:-1]:
        return None
    opening = code.index("(") + 1
    if opening == 1 or not _closes_at_end(code[opening - 1 :]):
        return None
    return code[:opening], [a.removeprefix(", ").removeprefix(",").strip()
                            for a in split(code[opening:-1], (", ",))]  # fmt: skip
