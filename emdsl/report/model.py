"""What the model is: sizes and where they are read, plates, nodes with their types, the graph."""

from __future__ import annotations

from emdsl.inference.references import refs_in
from emdsl.model import graph as g
from emdsl.model.show import show_distribution, show_expr
from emdsl.report.page import Page


def write_model(page: Page, model: g.Model) -> None:
    """The section on the model as it was declared."""
    page.section("Model")
    if model.sizes:
        page.say("Sizes:")
        page.table([(s.name, _read(s)) for s in model.sizes])
    plates = [p for p in model.plates if not p.single]
    if plates:
        page.say("Plates:")
        page.table([(p.axis, _plate(p)) for p in plates])
    if model.params or model.consts:
        page.say("Parameters and constants:")
        page.table([*map(_param, model.params), *map(_const, model.consts)])
    if model.constraints:
        page.say("Constraints:")
        for constraint in model.constraints:
            page.item(constraint.text)
    page.say("Nodes:")
    names = {p.axis for p in plates}
    page.table([_node(v, tuple(a for a in v.plates if a in names)) for v in model.variables])
    for d in model.densities:
        inner = ", ".join(n for n, _ in d.parameters)
        page.say(f"Own {d.word}: {d.name}({d.variable[0]}; {inner}) = {show_expr(d.body)}")
    for let in model.lets:
        page.say(f"{_indexed(let.name, let.plates)} stands for {show_expr(let.value)}.")
    page.say("Graph (each node after its parents):")
    page.table(graph(model))


def graph(model: g.Model) -> list[tuple[str, str]]:
    """Each drawn node with its parents."""
    drawn = [(p.name, p.prior) for p in model.params]
    drawn += [(v.name, v.dist) for v in model.variables]
    rows = []
    for name, dist in drawn:
        if dist is None:
            continue
        parents = _mentioned(dist)
        rows.append((name, "← " + (", ".join(parents) if parents else "no parents")))
    return rows


def _read(size: g.SizeDecl) -> str:
    if size.over is not None:
        arrays = ", ".join(dict.fromkeys(s.array for s in size.sources))
        of = f" of the sequences of {arrays}" if arrays else ""
        return f"read for each {size.over} from the length{of}, or given as {size.name}"
    places = [
        f"1 + the largest value of {s.array}"
        if s.dim == "values"
        else f"dimension {s.dim} of {s.array}"
        for s in size.sources
    ]
    read = f"read from {' and '.join(places)}" if places else ""
    if not size.hyper:
        return read
    chosen = "chosen when fitting"
    if size.default is not None:
        chosen += f" ({size.default} by default)"
    return f"{chosen}; else {read}" if read else chosen


def _plate(plate: g.Plate) -> str:
    text = f"{plate.axis} = 0, ..., {plate.extent} - 1"
    if plate.outer:
        text += f", within each {', '.join(plate.outer)}"
    if plate.weight is not None:
        text += f"; an element counts {show_expr(plate.weight)} times"
    return text


def _param(p: g.Param) -> tuple[str, str, str, str]:
    prior = "" if p.prior is None else f"~ {show_distribution(p.prior)}"
    return "param", _indexed(p.name, p.batch), str(p.type), prior


def _const(c: g.Const) -> tuple[str, str, str, str]:
    batch = c.shape[: len(c.shape) - len(c.type.shape)]
    value = "given when fitting" if c.value is None else f"= {_value(c.value)}"
    return "const", _indexed(c.name, batch), str(c.type), value


def _node(v: g.Variable, plates: tuple[str, ...]) -> tuple[str, str, str, str]:
    drawn = "given" if v.dist is None else f"~ {show_distribution(v.dist)}"
    return v.role, _indexed(v.name, plates), str(v.type), drawn


def _indexed(name: str, inner: tuple[object, ...]) -> str:
    return f"{name}[{', '.join(map(str, inner))}]" if inner else name


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)


def parents_of(model: g.Model, name: str) -> tuple[str, ...]:
    """The parents of a variable, in order of mention; constants are none."""
    v = model.variable(name)
    return () if v.dist is None else _mentioned(v.dist)


def _mentioned(dist: g.Distribution) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r.name for r in refs_in(dist) if r.role != "const"))
