"""A planned model as an IR module: its functions in the order they are read."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from emdsl.derive.mstep.share import Absolute, Numeric
from emdsl.derive.mstep.solve import MStep
from emdsl.families.family import Family
from emdsl.inference.plan import Plan
from emdsl.ir.nodes import Function, Module
from emdsl.lower.absolute import absolute_block
from emdsl.lower.blocks import Views
from emdsl.lower.coefficients import CoefficientLowering
from emdsl.lower.collect import CollectLowering
from emdsl.lower.coupled import Coupling
from emdsl.lower.density import log_density
from emdsl.lower.draws import Sampling
from emdsl.lower.features import FeatureLowering
from emdsl.lower.formula import distribution_functions
from emdsl.lower.infer import Elimination
from emdsl.lower.live import LiveLowering
from emdsl.lower.meta import meta_lines
from emdsl.lower.mstep import MStepLowering
from emdsl.lower.names import Names
from emdsl.lower.numeric import NumericLowering
from emdsl.lower.program import program_lines
from emdsl.model.drawn import leaves
from emdsl.model.graph import Limited, Model
from emdsl.model.show import show


def module_of(plan: Plan, m_step: MStep, families: Mapping[str, Family], version: str) -> Module:
    """The whole module."""
    joint = plan.derived.joint
    model = joint.model
    names = python_names(model)
    steps = MStepLowering(plan.derived, m_step, names)
    m_function, wanted = steps.m_step()
    live = {
        i: LiveLowering(piece, model, joint.atoms, names, joint.pivots, joint.nodes, joint.levels)
        for i, piece in enumerate(plan.pieces)
        if piece.is_live
    }
    numeric = NumericLowering(plan.derived, plan.pieces, live, names)
    blocks = [numeric.block(u) for u in m_step.updates if isinstance(u.form, Numeric)]
    blocks += [absolute_block(u, numeric) for u in m_step.updates if isinstance(u.form, Absolute)]
    sums = [(s, *numeric.live_statistic(s)) for s in steps.sums]
    wanted = wanted.union(*(b.statistics for b in blocks))
    functions: list[Function] = []
    views: list[Views] = []
    folded: list[tuple[Views, ...]] = []
    for i, piece in enumerate(plan.pieces):
        shared = (piece, model, joint.atoms, names, joint.pivots, joint.nodes, joint.levels)
        features = FeatureLowering(*shared)
        functions.append(features.features())
        seen: list[Views] = []
        for fold in piece.folds:
            there = FeatureLowering(piece.folded(fold), *shared[1:])
            functions.append(there.features())
            seen.append(there.views())
        folded.append(tuple(seen))
        functions.append(CoefficientLowering(*shared).coefficients())
        views.append(features.views())
        if i in live:
            functions.append(live[i].potentials())
            views[-1] = views[-1] | live[i].views()
        if piece.clusters:
            elimination = Elimination(piece, joint.atoms, names, joint.levels)
            functions += [] if piece.match.coupled else [elimination.infer()]
            if piece.match.coupled and piece.bundles and piece.finite:
                functions.append(elimination.integrate())
            functions += [elimination.marginals()] if piece.latents else []
        functions.append(CollectLowering(*shared).collect(wanted))
    couplings = [Coupling(plan, structure, model, names) for structure in plan.structures]
    functions += [c.infer() for c in couplings]
    functions += [f for b in blocks for f in b.functions] + [f for _, f, _ in sums]
    functions += [m_function, steps.log_prior(), steps.pivot()]
    functions += [
        log_density(d, names) for d in model.densities if families[d.name].sampler is None
    ]
    functions += [distribution_functions(f) for f in _truncated(model, families)]
    functions.append(Sampling(model, names, families).function())
    doc = _doc(model, version)
    hyper = tuple((names[s.name], s.name, s.default) for s in model.sizes if s.hyper)
    return Module(
        doc,
        meta_lines(model, plan, m_step, version),
        tuple(functions),
        (
            *(line for b in blocks for line in b.lines),
            *(f"LIVE_{s.name} = {literal}" for s, _, literal in sums),
            *([""] * 2 if sums else []),
            *program_lines(
                model,
                plan,
                tuple(views),
                tuple(folded),
                tuple(couplings),
                [n for b in blocks for n in b.names],
                numeric.kept,
                exact=m_step.exact,
            ),
        ),
        hyper,
    )


def _truncated(model: Model, families: Mapping[str, Family]) -> list[Family]:
    """Families that are drawn from between limits, by their distribution functions."""
    found: dict[str, Family] = {}
    for v in model.variables:
        for leaf in leaves(v.dist) if v.dist is not None else ():
            if isinstance(leaf, Limited) and leaf.kind == "truncated":
                family = families[leaf.base.family]
                if family.log_cdf is not None:
                    found[family.name] = family
    return list(found.values())


def python_names(model: Model) -> Names:
    """Python names for every name of the model, sizes first."""
    every = [
        *(s.name for s in model.sizes),
        *(p.name for p in model.params),
        *(v.name for v in model.variables),
        *(c.name for c in model.consts),
        *(d.name for d in model.densities),
        *(n for d in model.densities for n in (d.variable[0], *(p for p, _ in d.parameters))),
    ]
    return Names(every, frozenset(s.name for s in model.sizes if s.hyper))


def _fitted(line: str) -> list[str]:
    """A documentation line in lines that fit, later ones indented further."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line, 96, subsequent_indent=indent + "    " * bool(indent), break_on_hyphens=False
    ) or [""]


def _doc(model: Model, version: str) -> str:
    source = model.source.name.replace("\\", "/").rsplit("/", 1)[-1]
    head = f"{model.name}: {model.doc}" if model.doc else model.name
    lines = [
        *head.split("\n"),
        "",
        f"Generated by emdsl {version} from {source}: change that file, not this one.",
        "",
        *(f"    {line}".rstrip() for line in show(model).rstrip().split("\n")),
    ]
    return "\n".join(piece for line in lines for piece in _fitted(line)) + "\n"
