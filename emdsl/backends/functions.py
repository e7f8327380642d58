"""Prints functions: statements one below the other, shapes as comments."""

from __future__ import annotations

from emdsl.backends.layout import wrapped
from emdsl.backends.numpy import Printer, assignment
from emdsl.ir.nodes import (
    AddTo,
    Assign,
    Bind,
    Blank,
    Comment,
    For,
    Function,
    Item,
    Return,
    Stmt,
    When,
    Whole,
)


def function(f: Function) -> list[str]:
    """The lines of a function."""
    head = f"def {f.name}("
    parameters = ", ".join(f"{name}: {kind}" if kind else name for name, kind in f.parameters)
    line = f"{head}{parameters}) -> {f.returns}:"
    if len(line) <= 99:
        lines = [line]
    else:
        lines = [head, *(f"    {n}: {k}," for n, k in f.parameters), f") -> {f.returns}:"]
    lines += _doc(f.doc, "    ")
    indent = "    "
    if f.guarded:
        body = [s for s in f.body if not isinstance(s, Return)]
        lines.append('    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):')
        lines += statements(tuple(body), indent + "    ")
        lines += statements(tuple(s for s in f.body if isinstance(s, Return)), indent)
        return lines
    return [*lines, *statements(f.body, indent)]


def _doc(text: str, indent: str) -> list[str]:
    first, *rest = text.rstrip("\n").split("\n")
    if not rest:
        return [f'{indent}"""{first}"""']
    return [f'{indent}"""{first}', *(f"{indent}{r}".rstrip() for r in rest), f'{indent}"""']


def statements(body: tuple[Stmt, ...], indent: str) -> list[str]:
    """The lines of statements at an indentation."""
    lines: list[str] = []
    for s in body:
        lines += _statement(s, indent)
    return lines or [f"{indent}pass"]


def shape(value: Whole) -> str:
    """The shape comment of an array, from its axes' sizes; nothing for a scalar."""
    if not value.axes:
        return ""
    comma = "," if len(value.axes) == 1 else ""
    return f"({', '.join(str(a.dim) for a in value.axes)}{comma})"


def _statement(s: Stmt, indent: str) -> list[str]:
    printer = Printer()
    match s:
        case Comment(text=text):
            return [f"{indent}# {line}".rstrip() for line in text.split("\n")]
        case Blank():
            return [""]
        case Assign(name=name, value=value):
            return assignment(name, printer.whole(value), shape(value), indent)
        case AddTo(name=name, value=value):
            return assignment(name, printer.whole(value), "", indent, "+=")
        case Bind(names=names, func=func, args=args):
            inner = ", ".join(printer.argument(a) for a in args)
            code = f"{func}({inner})" if func else inner
            head = f"{indent}{', '.join(names)} = " if names else indent
            return wrapped(head, code, "", indent)
        case Item(name=name, mapping=mapping, key=key, axes=axes, optional=optional):
            code = f"{mapping}.get({key})" if optional else f"{mapping}[{key}]"
            comment = shape(Whole(None, axes)) if axes else ""  # type: ignore[arg-type] # axes only
            return assignment(name, code, comment, indent)
        case When(condition=condition, body=inner, orelse=orelse):
            lines = [f"{indent}if {condition}:", *statements(inner, indent + "    ")]
            if orelse:
                lines += [f"{indent}else:", *statements(orelse, indent + "    ")]
            return lines
        case For(names=names, func=func, args=args, body=inner):
            code = f"{func}({', '.join(printer.argument(a) for a in args)})"
            *lines, last = wrapped(f"{indent}for {', '.join(names)} in ", code, "", indent)
            return [*lines, f"{last}:", *statements(inner, indent + "    ")]
        case Return(value=value, call=call):
            return _return(value, call, indent)


def _return(value: object, call: str, indent: str) -> list[str]:
    if isinstance(value, str):
        return [f"{indent}return {value}"]
    assert isinstance(value, tuple)
    if value and isinstance(value[0], tuple):
        pairs = [f"{key}: {name}" for key, name in value]
        line = f"{indent}return {{{', '.join(pairs)}}}"
        if len(line) <= 99:
            return [line]
        return [f"{indent}return {{", *(f"{indent}    {p}," for p in pairs), f"{indent}}}"]
    inner = ", ".join(value)
    if call:
        return wrapped(f"{indent}return ", f"{call}({inner})", "", indent)
    if len(value) == 1:
        return [f"{indent}return ({inner},)"]
    line = f"{indent}return {inner}"
    return [line] if len(line) <= 99 else wrapped(f"{indent}return ", f"({inner})", "", indent)
