"""The module's metadata as Python literals: names, dimensions, supports, where it came from."""

from __future__ import annotations

import hashlib

from emdsl.derive.mstep.share import Numeric
from emdsl.derive.mstep.solve import MStep
from emdsl.derive.shifts import Shift
from emdsl.derive.translations import Absorbed, Labels, Translation, translations_of
from emdsl.inference.continuous import is_continuous
from emdsl.inference.gaps import missing_of
from emdsl.inference.plan import Plan
from emdsl.lower.names import quoted
from emdsl.lower.open_limits import open_limits
from emdsl.model.graph import Constraint, Extent, Fixed, Model, Plate, Ragged, Size, Variable


def extent_literal(extent: Extent) -> str:
    """A size's name in quotes (of a ragged one too), or a number."""
    if isinstance(extent, Fixed):
        return str(extent.value)
    assert isinstance(extent, Size | Ragged)
    return quoted(extent.name)


def meta_lines(model: Model, plan: Plan, m_step: MStep, version: str) -> tuple[str, ...]:
    """The lines of `META = rt.Meta(...)`."""
    digest = hashlib.sha256(model.source.text.encode("utf-8", "surrogatepass")).hexdigest()
    shifts = plan.derived.joint.shifts.latents
    unseen = [
        _continuous(model, v, shifts.get(v.name, ())) for v in model.variables if is_continuous(v)
    ]
    moved = [_translation(t) for t in translations_of(plan.derived.joint)]
    lines = [
        "META = rt.Meta(",
        f"    name={quoted(model.name)},",
        *_text("doc", model.doc),
        f"    source={quoted(_base_name(model.source.name))},",
        f"    source_sha256={quoted(digest)},",
        f"    compiler={quoted(version)},",
        *_group("sizes", [_size(model, s) for s in model.sizes]),
        *_group("params", _params(model, m_step)),
        *_group("arrays", _arrays(model, plan)),
        *_group("latents", _latents(model, plan)),
        f"    objective={quoted('log posterior' if plan.derived.priors else 'log likelihood')},",
        *_group(
            "constants",
            [f"({quoted(c.name)}, {c.value!r})" for c in model.consts if c.value is not None],
        ),
        *_group("plates", [_plate(p) for p in model.plates]),
        *(
            _group("constraints", [_constraint(c) for c in model.constraints])
            if model.constraints
            else []
        ),
        *(_group("continuous", unseen) if unseen else []),
        *(_group("translations", moved) if moved else []),
        ")",
    ]
    return tuple(lines)


def _text(name: str, text: str) -> list[str]:
    """A long string as several literals, one after the other."""
    if len(text) <= 80 and "\n" not in text:
        return [f"    {name}={quoted(text)},"]
    pieces = [
        piece
        for line in text.splitlines(keepends=True)
        for piece in (line[i : i + 80] for i in range(0, len(line), 80))
    ]
    return [f"    {name}=(", *(f"        {quoted(p)}" for p in pieces), "    ),"]


def _base_name(name: str) -> str:
    """The file's own name: a module must not depend on where it was compiled."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _group(name: str, items: list[str]) -> list[str]:
    if not items:
        return [f"    {name}=(),"]
    return [f"    {name}=(", *(f"        {item}," for item in items), "    ),"]


def tuple_literal(items: list[str]) -> str:
    return f"({', '.join(items)}{',' * (len(items) == 1)})"


_LONGEST = 100  # characters of a line


def _lines_of(start: str, items: list[str], end: str, indent: int) -> str:
    """Items between brackets: on one line where they fit with the comma after, or on one each.

    indent : how many spaces the line begins with.
    """
    one = f"{start}{tuple_literal(items)}{end}"
    if "\n" not in one and indent + len(one) < _LONGEST:
        return one
    space = " " * indent
    inner = "".join(f"{space}    {item},\n" for item in items)
    return f"{start}(\n{inner}{space}){end}"


def _size(model: Model, size: object) -> str:
    decl = next(s for s in model.sizes if s is size)
    plates = {str(p.extent) for p in model.plates}
    role = "plate" if decl.name in plates else "data"
    if decl.hyper or decl.over is not None:
        role = "hyper" if decl.hyper else "ragged"
    parts = [quoted(decl.name), quoted(role)]
    if decl.default is not None:
        parts.append(f"default={decl.default}")
    if decl.sources:
        sources = [
            f"({quoted(s.array)}, {quoted(s.dim) if isinstance(s.dim, str) else s.dim})"
            for s in decl.sources
        ]
        line = f"sources={tuple_literal(sources)}"
        if len(line) > 86:
            inner = "".join(f"                {s},\n" for s in sources)
            line = f"sources=(\n{inner}            )"
        parts.append(line)
    return _call("rt.Size", parts)


def _plate(plate: Plate) -> str:
    parts = [quoted(plate.axis), extent_literal(plate.extent)]
    if plate.outer:
        parts.append(f"outer={tuple_literal([quoted(a) for a in plate.outer])}")
    if isinstance(plate.extent, Ragged):
        parts.append(f"over={quoted(plate.extent.over)}")
    if plate.weight is not None:
        parts.append(f"weight={quoted(plate.weight.name)}")
    if plate.single:
        parts.append("single=True")
    return f"rt.Plate({', '.join(parts)})"


def _params(model: Model, m_step: MStep) -> list[str]:
    shift = _shifts(m_step)
    collapse = {n: u.collapse for u in m_step.updates for n in (u.param, *(c for c, _ in u.copies))}
    together = {u.param: u.together for u in m_step.updates}
    out = []
    for p in model.params:
        parts = [
            quoted(p.name),
            tuple_literal([extent_literal(e) for e in p.shape]),
            quoted(p.type.kind),
        ]
        if p.type.shape:
            parts.append(f"event={len(p.type.shape)}")
        unbounded = collapse.get(p.name)
        if unbounded is not None:
            parts.append(f"collapse=({quoted(unbounded[0])}, {unbounded[1]})")
        peak = m_step.peaks.get(p.name)
        if peak is not None:
            parts.append(f"peak=({quoted(peak[0])}, {peak[1]})")
        if p.prior is not None:
            parts.append("prior=True")
        elif p.name in shift:
            parts.append(f"shift={shift[p.name]}")
        if together.get(p.name) is not None:
            parts.append(f"together={together[p.name]}")
        out.append(f"rt.Param({', '.join(parts)})")
    return out


def _shifts(m_step: MStep) -> dict[str, int]:
    """The dimension along which adding one number to a parameter changes nothing, where one is."""
    out = {}
    for update in m_step.updates:
        if isinstance(update.form, Numeric):
            for name, own, places in zip(
                update.form.params, update.form.shift, update.form.places, strict=True
            ):
                if own is not None:
                    out[name] = places[len(update.form.batch) + own]
    return out


def _arrays(model: Model, plan: Plan) -> list[str]:
    missing = missing_of(plan)
    weights = {p.weight.name for p in model.plates if p.weight is not None}
    limits = open_limits(model)
    out = []
    for v in model.variables:
        if v.role == "latent":
            continue
        role = "weight" if v.name in weights else v.role
        here = missing[v.name] if v.role == "data" else "no"
        out.append(_array(v, role, model, here, limits.get(v.name, "")))
    for c in model.consts:
        dims = tuple_literal([extent_literal(e) for e in c.shape])
        out.append(f'rt.Array({quoted(c.name)}, "const", {dims}, 0, {quoted(c.type.kind)})')
    return out


def _array(v: Variable, role: str, model: Model, missing: str, limit: str) -> str:
    dims = [extent_literal(model.plate(a).extent) for a in v.plates]
    dims += [extent_literal(e) for e in v.type.shape]
    parts = [
        quoted(v.name),
        quoted(role),
        tuple_literal(dims),
        str(len(v.plates)),
        quoted(v.type.kind),
    ]
    if v.type.values is not None:
        parts.append(f"values={extent_literal(v.type.values)}")
    if missing != "no":
        parts.append(f"missing={quoted(missing)}")
    if v.plates:
        parts.append(f"axes={tuple_literal([quoted(a) for a in v.plates])}")
    if limit:
        parts.append(f"open={quoted(limit)}")
    return _call("rt.Array", parts)


def _constraint(c: Constraint) -> str:
    terms = [
        f"({quoted(t.name)}, {t.index!r}, {t.coefficient!r}, {t.summed})" for t in c.terms
    ]  # fmt: skip
    parts = [quoted(c.text), tuple_literal(terms), quoted(c.relation), repr(c.value)]
    return _call("rt.Constraint", parts)


def _call(name: str, parts: list[str]) -> str:
    """A call as an item of a group: on one line, on three, or on one for each part."""
    inner = ", ".join(parts)
    if "\n" not in inner and len(name) + len(inner) <= 88:
        return f"{name}({inner})"
    if "\n" in inner or len(inner) > 86:
        inner = ",\n            ".join(parts)
    return f"{name}(\n            {inner},\n        )"


def _continuous(model: Model, v: Variable, shift: Shift) -> str:
    dims = [extent_literal(model.plate(a).extent) for a in v.plates]
    dims += [extent_literal(e) for e in v.type.shape]
    parts = [quoted(v.name), tuple_literal(dims), quoted(v.type.kind)]
    if v.type.shape:
        parts.append(f"event={len(v.type.shape)}")
    if v.plates:
        parts.append(f"axes={tuple_literal([quoted(a) for a in v.plates])}")
    if v.added:
        parts.append("added=True")
    if shift:
        about = [f"({quoted(p.param)}, {float(p.factor)!r}, {p.places!r})" for p in shift]
        parts.append(f"about={tuple_literal(about)}")
    return _call("rt.Continuous", parts)


def _translation(t: Translation) -> str:
    parts = [quoted(t.array)]
    if t.absorbed:
        one_each = [_absorbed(a) for a in t.absorbed]
        parts.append(_lines_of("absorbed=", one_each, "", 12))
    if t.own:
        parts.append(f"own={tuple_literal([f'({quoted(n)}, {i})' for n, i in t.own])}")
    if t.why:
        parts.append(f"why={quoted(t.why)}")
    return _call("rt.Translation", parts)


def _absorbed(a: Absorbed) -> str:
    moves = [
        f"({m.number!r}, {tuple_literal([f'({quoted(n)}, {_labels(x)})' for n, x in m.factors])}, "
        f"{_labels(m.at)}, {m.power})"
        for m in a.moves
    ]
    start = f"rt.Absorbed({quoted(a.param)}, {_labels(a.labels)}, "
    return _lines_of(start, moves, ")", 16)


def _labels(labels: Labels) -> str:
    return tuple_literal([quoted(x) for x in labels])


def _latents(model: Model, plan: Plan) -> list[str]:
    out = []
    by_axis = {axis: name for name, axis in plan.derived.joint.levels.axes.items()}
    for piece in plan.pieces:
        for axis in piece.latents:
            name = by_axis[axis]
            v = model.variable(name)
            dims = tuple_literal([extent_literal(model.plate(a).extent) for a in v.plates])
            values = extent_literal(plan.derived.joint.atoms.axes[axis].extent)
            parts = [quoted(name), dims, values]
            if v.role == "data":
                parts.append(f"data={quoted(name)}")
            if v.plates:
                parts.append(f"axes={tuple_literal([quoted(a) for a in v.plates])}")
            out.append(f"rt.Latent({', '.join(parts)})")
    return out
