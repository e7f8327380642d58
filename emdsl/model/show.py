"""A model as text that reads like the source: for `emdsl dump --stage model`, and for reports."""

from __future__ import annotations

from collections.abc import Mapping

from emdsl.families import FAMILIES
from emdsl.families.family import Family
from emdsl.model import graph as g
from emdsl.syntax import ast

_SYMBOLS: Mapping[str, tuple[str, int]] = {
    "or": (" or ", 1),
    "and": (" and ", 2),
    "eq": (" == ", 4),
    "ne": (" != ", 4),
    "lt": (" < ", 4),
    "le": (" <= ", 4),
    "gt": (" > ", 4),
    "ge": (" >= ", 4),
    "add": (" + ", 5),
    "sub": (" - ", 5),
    "mul": (" * ", 6),
    "div": (" / ", 6),
    "matmul": (" @ ", 6),
    "pow": ("^", 8),
}
_IF, _NOT, _NEG, _ATOM = 0, 3, 7, 9


def show_expr(expr: g.Expr) -> str:
    """An expression as it would be written."""
    return _show(expr)[0]


def _show(expr: g.Expr) -> tuple[str, int]:
    """The text of an expression and how tightly it binds."""
    match expr:
        case g.Number():
            return str(expr.value), _ATOM if expr.value >= 0 else _NEG
        case g.Ref():
            inner = ", ".join(show_expr(i) for i in expr.indices if not isinstance(i, g.TheOne))
            return (f"{expr.name}[{inner}]" if inner else expr.name), _ATOM
        case g.AxisRef():
            return expr.axis, _ATOM
        case g.SizeRef():
            return str(expr.extent), _ATOM
        case g.ArrayOf():
            return f"[{', '.join(show_expr(i) for i in expr.items)}]", _ATOM
        case g.Apply():
            return _show_apply(expr)


def _show_apply(expr: g.Apply) -> tuple[str, int]:
    match expr.op, expr.args:
        case (("eye" | "zeros" | "ones"), _):
            shape = expr.shape[:1] if expr.op == "eye" else expr.shape
            return f"{expr.op}[{', '.join(map(str, shape))}]", _ATOM
        case "if", (test, then, orelse):
            text = f"{_inside(then, 1)} if {_inside(test, 1)} else {_inside(orelse, 0)}"
            return text, _IF
        case "neg", (inner,):
            return f"-{_inside(inner, _NEG)}", _NEG
        case "not", (inner,):
            return f"not {_inside(inner, _NOT)}", _NOT
        case op, (left, right) if op in _SYMBOLS:
            symbol, level = _SYMBOLS[op]
            if op == "pow":  # associates to the right
                return f"{_inside(left, level + 1)}{symbol}{_inside(right, _NEG)}", level
            return f"{_inside(left, level)}{symbol}{_inside(right, level + 1)}", level
        case op, args:
            return f"{op}({', '.join(show_expr(a) for a in args)})", _ATOM


def _inside(expr: g.Expr, level: int) -> str:
    text, binds = _show(expr)
    return text if binds >= level else f"({text})"


def show_distribution(dist: g.Distribution) -> str:
    """A distribution as it would be written; its family's own arguments stand without names."""
    match dist:
        case g.Draw():
            return f"{dist.family}({', '.join(_show_arguments(dist))})"
        case g.Choice():
            then = show_distribution(dist.then)
            if isinstance(dist.then, g.Choice):
                then = f"({then})"
            return f"{then} if {show_expr(dist.test)} else {show_distribution(dist.orelse)}"
        case g.Limited():
            inner = [show_distribution(dist.base)]
            inner += [f"lower = {show_expr(dist.lower)}"] if dist.lower is not None else []
            inner += [f"upper = {show_expr(dist.upper)}"] if dist.upper is not None else []
            return f"{dist.kind.capitalize()}({', '.join(inner)})"


def _takes(family: Family, names: list[str]) -> bool:
    try:
        family.alternative(names)
    except KeyError:
        return False
    return True


def _show_arguments(draw: g.Draw) -> list[str]:
    family = FAMILIES.get(draw.family)
    own = [name for name, _ in draw.args]
    if family is not None and _takes(family, own):  # else a density of the file's own
        own = [p.name for p in family.parameters]
    shown: list[str] = []
    positional = True
    for i, (name, value) in enumerate(draw.args):
        positional = positional and i < len(own) and name == own[i]
        shown.append(show_expr(value) if positional else f"{name} = {show_expr(value)}")
    return shown


def show(model: g.Model) -> str:
    """The whole model: sizes and where they are read, plates, then the declarations."""
    lines = [f"model {model.name}"]
    lines += [f"size {_show_size(size)}" for size in model.sizes]
    written = [p for p in model.plates if not p.single]
    for plate in written:
        weight = f" times {show_expr(plate.weight)}" if plate.weight is not None else ""
        outer = f", inside {', '.join(plate.outer)}" if plate.outer else ""
        lines.append(f"plate {plate.axis} in {plate.extent}{weight}{outer}")
    for const in model.consts:
        value = "given when fitting" if const.value is None else _show_value(const.value)
        lines.append(f"const {const.name} : {_show_array(const.type, const.shape)} = {value}")
    for param in model.params:
        prior = "" if param.prior is None else f" ~ {show_distribution(param.prior)}"
        name = _indexed(param.name, [str(e) for e in param.batch])
        lines.append(f"param {name} : {param.type}{prior}")
    for variable in model.variables:
        dist = "" if variable.dist is None else f" ~ {show_distribution(variable.dist)}"
        name = _indexed(variable.name, [p.axis for p in written if p.axis in variable.plates])
        lines.append(f"{variable.role} {name} : {variable.type}{dist}")
    for let in model.lets:
        lines.append(f"let {_indexed(let.name, list(let.plates))} = {show_expr(let.value)}")
    for density in model.densities:
        name, type_ = density.variable
        rest = ", ".join(f"{n} : {t}" for n, t in density.parameters)
        head = f"{name} : {type_}; {rest}" if rest else f"{name} : {type_}"
        lines.append(f"{density.word} {density.name}({head}) = {show_expr(density.body)}")
    for infer in model.infer:
        args = ", ".join(show_expr(a) for a in infer.args)
        method = f"{infer.method}({args})" if args else infer.method
        lines.append(f"infer {', '.join(infer.targets)} using {method}")
    lines += [f"constrain {c.text}" for c in model.constraints if not c.of_prior]
    return "\n".join(lines) + "\n"


def _indexed(name: str, inner: list[str]) -> str:
    return f"{name}[{', '.join(inner)}]" if inner else name


def _show_array(type_: g.Type, shape: tuple[g.Extent, ...]) -> str:
    batch = shape[: len(shape) - len(type_.shape)]
    return f"{type_} each of {' x '.join(map(str, batch))}" if batch else str(type_)


def _show_value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_show_value(v) for v in value)}]"
    return str(value)


def _show_size(size: g.SizeDecl) -> str:
    places = [
        f"1 + the largest {s.array}" if s.dim == "values" else f"dimension {s.dim} of {s.array}"
        for s in size.sources
    ]
    name = size.name if size.over is None else f"{size.name}[{size.over}]"
    if size.hyper:
        given = "chosen when fitting"
        places.insert(0, given if size.default is None else f"{given}, {size.default} by default")
    return f"{name}: {'; '.join(places)}"


def show_syntax(node: ast.Expr) -> str:
    """A short piece of syntax as text: an extent, a weight, a name in a message."""
    text = _show_syntax(node)
    return text[1:-1] if isinstance(node, ast.Binary | ast.Conditional) else text


def _show_syntax(node: ast.Expr) -> str:
    match node:
        case ast.Number():
            return node.text
        case ast.Name():
            return node.id
        case ast.Index():
            return f"{_show_syntax(node.base)}[{', '.join(map(show_syntax, node.indices))}]"
        case ast.Call():
            inner = [*map(show_syntax, node.args)]
            inner += [f"{k.name.id} = {show_syntax(k.value)}" for k in node.keywords]
            return f"{node.func.id}({', '.join(inner)})"
        case ast.Unary():
            space = " " if node.op == "not" else ""
            return f"{node.op}{space}{_show_syntax(node.operand)}"
        case ast.Binary():
            return f"({_show_syntax(node.left)} {node.op} {_show_syntax(node.right)})"
        case ast.Conditional():
            then, test = _show_syntax(node.then), _show_syntax(node.test)
            return f"({then} if {test} else {_show_syntax(node.orelse)})"
        case ast.Array():
            return f"[{', '.join(map(show_syntax, node.items))}]"
        case ast.Case():
            return f"case {show_syntax(node.subject)}"
