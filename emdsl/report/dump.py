"""One stage of the compiler as text, for those who work on the compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass

import sympy as sp

from emdsl.compiler import STAGES, Derivation, compile_source, derived_of
from emdsl.diagnostics import Bug, CompileError
from emdsl.inference.gaps import with_gaps
from emdsl.inference.plan import Bundle, Cluster, Plan
from emdsl.inference.planning import plan_of
from emdsl.inference.schedule import Send, Step, SumOut, Walk
from emdsl.model.build import build
from emdsl.model.graph import Model
from emdsl.model.show import show
from emdsl.source import Source, Span
from emdsl.syntax.layout import read_layout
from emdsl.syntax.parse import parse


def dump(source: Source, stage: str) -> str:
    """What a stage makes of a source; raises CompileError as the stage does."""
    if stage not in _STAGES:
        raise ValueError(f"no stage {stage!r}; stages: {', '.join(STAGES)}")
    text = _STAGES[stage](source)
    if stage == "module":
        return text
    return "\n".join(line.rstrip() for line in text.rstrip().split("\n")) + "\n"


def _tokens(source: Source) -> str:
    """Each logical line with its depth, a token a line with its place."""
    out = []
    layout = read_layout(source)
    if layout.problems:
        raise CompileError(source, layout.problems)
    for line in layout.lines:
        out.append(f"line {line.span.line}, depth {line.depth}")
        for t in line.tokens:
            place = f"{t.line}:{t.column}"
            out.append(f"  {place:<8} {t.type:<10} {str(t)!r}")
    return "\n".join(out)


def _tree(source: Source) -> str:
    return "\n".join(outline(parse(source)))


def _model(source: Source) -> str:
    return show(_built(source))


def _built(source: Source) -> Model:
    return build(parse(source), source)[0]


def _derivation(source: Source) -> str:
    return "\n".join(_derivation_lines(derived_of(source)[0].derivation))


def _derivation_lines(d: Derivation) -> Iterator[str]:
    yield "axes"
    for info in sorted(d.joint.atoms.axes.values(), key=lambda a: a.name):
        yield f"  {info.name}: {info.role} over {info.extent}"
    for (row, axis), link in d.joint.levels.links.items():
        yield f"link of {row or 'no rows'} to {axis}: ({link})"
    for name, kept in sorted(d.joint.pivots.items()):
        leader = d.joint.shifts.leaders.get(name)
        shared = f", that of {leader}" if leader is not None else ""
        yield f"pivot {name}{shared}, dimensions kept: {list(kept)}"
    for name, shift in sorted(d.joint.shifts.latents.items()):
        yield f"latent {name} about {' + '.join(f'{p.factor} pivot {p.param}' for p in shift)}"
    for node in (*d.joint.nodes, *d.joint.priors):
        over = f" over {', '.join(node.plates)}" if node.plates else ""
        yield f"{node.role} {node.name}{over}"
        yield f"  {node.log_density}"
        for m in node.monomials:
            axes = ", ".join(sorted(m.axes))
            mixed = ", mixed" if m.mixed else ""
            yield f"  ({m.number}) * ({m.data}) * ({m.basis})  over {axes or 'nothing'}{mixed}"
    yield "statistics"
    for s in d.derived.statistics:
        f = s.feature
        sums = f", summed over {', '.join(f.sums)}" if f.sums else ""
        same = ", symmetric" if f.symmetric else ""
        mean = f"E[{s.moment.expr}] * " if s.moment is not None else ""
        yield f"  {s.name}[{', '.join(s.axes)}] over {s.plate}: {mean}{f.expr}{sums}{same}"
    for g in d.derived.given:
        yield f"given {', '.join(g.scope) or 'nothing'} over {g.plate}: {g.expr}"
    yield "terms of Q"
    for t in (*d.derived.terms, *d.derived.priors):
        stat = "1" if t.statistic is None else f"{t.statistic.name}[{', '.join(t.places)}]"
        axes = ", ".join(sorted(t.axes)) or "nothing"
        yield f"  {t.node}: ({t.number}) * ({t.factor}) * {stat} * ({t.basis})  over {axes}"
    for u in d.m_step.updates:
        names = ", ".join(u.solved)
        held = " (holds others at their old values)" if u.param in d.m_step.cyclic else ""
        yield f"update {names}[{', '.join(u.cell)}] by {u.rule}{held}"
        needs = ", ".join(sorted(u.needs))
        yield f"  needs {needs or 'statistics only'}; collapse {u.collapse}"
        yield from (f"  {line}" for line in outline(u.form))
        yield from (f"  # {line}" for line in u.record)


def _plan(source: Source) -> str:
    found = derived_of(source)[0]
    plan = with_gaps(plan_of(found.derivation.derived, found.matches))
    return "\n".join(_plan_lines(plan))


def _plan_lines(plan: Plan) -> Iterator[str]:
    for piece in plan.pieces:
        yield f"plate {piece.plate}: {piece.match.strategy}"
        yield f"  variables {', '.join(piece.match.piece.variables)}"
        yield f"  summed {', '.join(piece.match.summed) or 'nothing'}"
        yield f"  direct features {', '.join(f.name for f in piece.direct_features) or 'none'}"
        for i, c in enumerate(piece.clusters):
            yield f"  cluster {i}: {_purpose(c)}"
            yield f"    features {', '.join(f.name for f in c.features) or 'none'}"
            yield f"    nodes {', '.join(dict.fromkeys(t.node for t in c.terms)) or 'none'}"
            yield f"    given {', '.join(str(g.expr) for g in c.given) or 'nothing'}"
            children = ", ".join(map(str, c.children))
            if c.moment is None and not c.source:
                yield f"    messages from {children or 'none'}, to {c.parent}"
        for i, b in enumerate(piece.bundles):
            yield from (f"  {line}" for line in _bundle(-1 - i, b))
        for fold in piece.folds:
            fed = ", ".join(map(str, fold.clusters))
            yield f"  rows of {fold.link.source.axis} added up at ({fold.link}), for clusters {fed}"
        for g in piece.gaps:
            factor = f"a factor of cluster {g.host}" if g.host >= 0 else "a term without a latent"
            yield f"  missing cells of {', '.join(g.arrays)} integrated out: {factor}"
            if g.naturals:
                fed = ", ".join(map(str, g.naturals))
                home = f" of {plan.pieces[g.home].plate}" if g.home >= 0 else ""
                yield f"    and natural parameters of clusters {fed}{home}"
        for s in piece.statistics:
            yield f"  statistic {s.name}[{', '.join(s.axes)}]"
    for structure in plan.structures:
        yield f"structure of plates {'; '.join(plan.pieces[i].plate for i in structure.pieces)}"
        for i, f in enumerate(structure.schedule.factors):
            of = ""
            if i < len(structure.clusters):
                where, cluster = structure.clusters[i]
                of = f", cluster {cluster} of {plan.pieces[where].plate}"
            yield f"  factor {i}: ({', '.join(f.axes)}) on {f.level.axis or 'no rows'}{of}"
        yield from (f"  {_step(step)}" for step in structure.schedule.steps)
    for one in plan.together:
        plates = "; ".join(plan.pieces[i].plate for i in one.pieces)
        yield f"conditioned on together: plates {plates}"
        yield f"  independent for each of {one.independent.axis or 'no rows'}"


def _purpose(c: Cluster) -> str:
    """What a cluster's terms are for."""
    where = f", rows of {c.source}" if c.source else ""
    if c.moment is not None:
        given = f" given {', '.join(c.latents)}" if c.latents else ""
        over = f"[{', '.join(c.moment.axes)}]" if c.moment.axes else ""
        return f"coefficients of {c.moment.name}{over} = {c.moment.expr}{given}{where}"
    if c.source:
        return f"terms on {', '.join(c.latents)}{where}"
    rest = f" given {', '.join(c.latents[1:])}" if c.latents[1:] else ""
    return f"sum out {c.latents[0]}{rest}"


def _bundle(number: int, b: Bundle) -> Iterator[str]:
    """Latents integrated out, by the number of the message it leaves."""
    of = ", ".join(map(str, b.clusters))
    p = b.posterior
    if p is None:
        yield f"message {number}: of other rows, clusters {of}"
        return
    given = f" given {', '.join(b.scope)}" if b.scope else ""
    to = f", to {b.parent}" if b.parent is not None else ""
    yield f"message {number}: integrate out {', '.join(p.latents)}{given}, clusters {of}{to}"
    power = f" of powers {p.power}" if p.power != 1 else ""
    yield f"  posterior {p.family}{power}"
    for i, (name, via) in enumerate(p.sights):
        yield f"  part {i}: {name}[{via}]" if via else f"  part {i}: {name}"
    for moment, role in p.roles:
        places = str(role.first) + (f", {role.second}" if role.second >= 0 else "")
        yield f"  {moment.name} is its {role.kind} {places}"


def _step(step: Step) -> str:
    match step:
        case Send(link=link, inputs=inputs, output=output):
            return f"send {list(inputs)} along ({link}) as {output}"
        case SumOut(latent=latent, inputs=inputs, output=output):
            return f"sum out {latent} of {list(inputs)} as {output}"
        case Walk(link=link, steps=steps, outer=outer, unary=unary, pair=pair, output=output):
            given = f" given {', '.join(outer)}" if outer else ""
            tied = " after ".join(f"({', '.join(s)})" for s in steps)
            return f"walk {tied}{given} along ({link}): {list(unary)}, {list(pair)} as {output}"


def _ir(source: Source) -> str:
    return "\n".join(outline(compile_source(source).ir))


def _module(source: Source) -> str:
    return compile_source(source).module


_STAGES: Mapping[str, Callable[[Source], str]] = {
    "tokens": _tokens,
    "tree": _tree,
    "model": _model,
    "derivation": _derivation,
    "plan": _plan,
    "ir": _ir,
    "module": _module,
}


# --- dataclasses as an outline -----------------------------------------------------------------

_WIDTH = 96


def outline(value: object, indent: str = "") -> Iterator[str]:
    """A tree of dataclasses, an indented line a node; one that fits a line stays on it."""
    flat = compact(value)
    if len(indent) + len(flat) <= _WIDTH or not _parts(value):
        yield from (indent + line for line in flat.split("\n"))
        return
    if isinstance(value, tuple):
        for part in value:
            yield from outline(part, indent)
        return
    yield indent + type(value).__name__
    for name, part in _parts(value):
        inner = compact(part)
        if len(indent) + len(name) + len(inner) + 4 <= _WIDTH and "\n" not in inner:
            yield f"{indent}  {name} {inner}"
        else:
            yield f"{indent}  {name}"
            yield from outline(part, indent + "    ")


def _parts(value: object) -> list[tuple[str, object]]:
    if isinstance(value, tuple):
        return [("", v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        return [
            (f.name, getattr(value, f.name)) for f in fields(value)
            if getattr(value, f.name) not in ((), None)
        ]  # fmt: skip
    return []


def compact(value: object) -> str:
    """A value on one line: `Name(part, part)`, spans as line:column."""
    match value:
        case Span():
            return f"@{value.line}:{value.column}"
        case str() | sp.Basic():
            return str(value)
        case tuple():
            return f"[{', '.join(map(compact, value))}]"
        case _ if is_dataclass(value) and not isinstance(value, type):
            inner = [f"{n}={compact(v)}" for n, v in _parts(value)]
            return f"{type(value).__name__}({', '.join(inner)})"
        case None | bool() | int() | float():
            return str(value)
        case frozenset():
            return f"{{{', '.join(sorted(map(str, value)))}}}"
        case _:
            raise Bug(f"nothing says how to show a {type(value).__name__}")
