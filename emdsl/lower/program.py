"""The program handed to the runtime, as Python literals: its pieces, and what couples them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from emdsl.derive.levels import Level, Levels, Link, Place, own_places
from emdsl.inference.continuous import link_of
from emdsl.inference.plan import Bundle, Gaps, PiecePlan, Plan, Structure
from emdsl.inference.posteriors import Posterior
from emdsl.inference.schedule import Send, Walk
from emdsl.lower.blocks import Views
from emdsl.lower.coupled import Coupling
from emdsl.lower.meta import extent_literal, tuple_literal
from emdsl.lower.names import quoted
from emdsl.model.graph import Model


def program_lines(
    model: Model,
    plan: Plan,
    views: tuple[Views, ...],
    folded: tuple[tuple[Views, ...], ...],
    couplings: tuple[Coupling, ...],
    numeric: list[str],
    kept: Mapping[int, Collection[int]],
    *,
    exact: bool,
) -> list[str]:
    """The lines of `PROGRAM = rt.Program(...)`."""
    lines = ["PROGRAM = rt.Program(", "    meta=META,", "    pieces=("]
    for i, (piece, seen, there) in enumerate(zip(plan.pieces, views, folded, strict=True)):
        lines += _piece(model, plan, piece, seen, there, sorted(kept.get(i, ())))
    lines += [
        "    ),",
        "    m_step=m_step,",
        "    log_prior=log_prior,",
        "    pivot=pivot,",
        "    sample=draw,",
    ]
    if couplings or plan.together:
        lines.append("    structures=(")
        for structure, coupling in zip(plan.structures, couplings, strict=True):
            lines += _structure(structure, coupling)
        for together in plan.together:
            numbers = tuple_literal([str(i) for i in together.pieces])
            level = tuple_literal([quoted(a) for a in together.independent.plates])
            lines.append(f"        rt.JointlyNormal(pieces={numbers}, level={level}),")
        lines.append("    ),")
    if numeric:
        lines.append(f"    numeric={tuple_literal(numeric)},")
        lines += ["    exact=True,"] * exact
    return [*lines, ")"]


def _piece(
    model: Model,
    plan: Plan,
    piece: PiecePlan,
    views: Views,
    folded: tuple[Views, ...],
    kept: list[int],
) -> list[str]:
    joint = plan.derived.joint
    plates = [model.plate(a) for a in piece.level.plates]
    weights = [p.weight.name for p in plates if p.weight is not None]
    arrays = _own_arrays(model, plan, piece.level, weights)
    arrays.update(dict.fromkeys(views.arrays))
    clusters = [
        tuple_literal([extent_literal(joint.atoms.axes[a].extent) for a in c.states])
        for c in piece.clusters
    ]
    by_axis = {axis: name for name, axis in joint.levels.axes.items()}
    latents = [quoted(by_axis[a]) for a in piece.latents]
    marginals = f"marginals_{piece.label}" if piece.latents else "rt.no_marginals"
    unseen = [_integral(joint.levels, piece, b) for b in piece.bundles if b.posterior is not None]
    lines = [
        "        rt.Piece(",
        f"            plate={extent_literal(plates[-1].extent)},",
        f"            axes={tuple_literal([quoted(a) for a in piece.level.plates])},",
        f"            arrays={tuple_literal([quoted(a) for a in arrays])},",
        *_views(views),
        f"            latents={tuple_literal(latents)},",
        *_listed("clusters", clusters),
    ]
    if piece.match.coupled and piece.bundles and piece.finite:
        lines.append(f"            integrate=integrate_{piece.label},")
    if piece.match.coupled and piece.finite:
        shared = [str(c.shared) for c in piece.clusters]
        lines += _listed("shared", shared)
        own = [
            str(next(i for i, c in enumerate(piece.clusters) if c.latents == (a,)))
            for a in piece.latents
        ]
        lines.append(f"            own={tuple_literal(own)},")
    if any(len(c.latents) > 1 for _, c in piece.finite):
        seen = ([_seen(joint.levels, piece.level, a) for a in c.latents] for _, c in piece.finite)
        lines += _group("reads", [_long(items) for items in seen])
    lines += [
        f"            features=features_{piece.label},",
        f"            coefficients=coefficients_{piece.label},",
    ]
    if piece.is_live:
        lines.append(f"            potentials=potentials_{piece.label},")
        lines.append(f"            kept={tuple_literal([str(i) for i in kept])},")
    if not piece.match.coupled:
        infer = f"infer_{piece.label}" if piece.clusters else "rt.no_latents"
        lines.append(f"            infer={infer},")
    return [
        *lines,
        f"            marginals={marginals},",
        f"            collect=collect_{piece.label},",
        *(_folds(model, plan, piece, folded) if piece.folds else []),
        *(
            [f"            gaps={tuple_literal([_gaps(g) for g in piece.gaps])},"]
            if piece.gaps
            else []
        ),
        *(
            [f"            foreseen={tuple_literal([_gaps(g) for g in piece.foreseen])},"]
            if piece.foreseen
            else []
        ),
        *(_group("integrals", unseen) if unseen else []),
        "        ),",
    ]


def _gaps(gaps: Gaps) -> str:
    arrays = tuple_literal([quoted(a) for a in gaps.arrays])
    clusters = tuple_literal(
        [f"({i}, {tuple_literal(list(map(str, places)))})" for i, places in gaps.clusters]
    )
    naturals = f", {tuple_literal(list(map(str, gaps.naturals)))}" if gaps.naturals else ""
    home = f", home={gaps.home}" if gaps.home >= 0 else ""
    return f"rt.Gaps({arrays}, {gaps.host}, {clusters}{naturals}{home})"


def _own_arrays(model: Model, plan: Plan, level: Level, weights: list[str]) -> dict[str, None]:
    return dict.fromkeys(
        v.name
        for v in model.variables
        if v.role in ("data", "input")
        and v.name not in weights
        and v.plates
        and plan.derived.joint.levels.of(v) == level
    )


def _folds(model: Model, plan: Plan, piece: PiecePlan, folded: tuple[Views, ...]) -> list[str]:
    """The rows of other levels that are added up at this one's."""
    lines = ["            folds=("]
    for fold, views in zip(piece.folds, folded, strict=True):
        source = fold.link.source
        plates = [model.plate(a) for a in source.plates]
        weights = [p.weight.name for p in plates if p.weight is not None]
        arrays = _own_arrays(model, plan, source, weights) | dict.fromkeys(views.arrays)
        ends = [tuple_literal([quoted(a) for a in k.plates]) for k in (source, piece.level)]
        lines += [
            "                rt.Fold(",
            f"                    rt.Link({', '.join(ends)}, {_places(fold.link)}),",
            f"                    arrays={tuple_literal([quoted(a) for a in arrays])},",
            *("        " + line for line in _views(views)),
            f"                    features=features_{fold.label},",
            f"                    clusters={tuple_literal([str(i) for i in fold.clusters])},",
            "                ),",
        ]
    return [*lines, "            ),"]


def _integral(levels: Levels, piece: PiecePlan, bundle: Bundle) -> str:
    shares = []
    assert bundle.posterior is not None
    for i in bundle.clusters:
        moment = piece.clusters[i].moment
        assert moment is not None
        role = bundle.posterior.role(moment)
        parts = [str(i), quoted(moment.name), quoted(role.kind), str(role.first)]
        if role.second >= 0 or moment.widths:
            parts += [str(role.second), str(moment.widths[0])]
        shares.append(f"rt.Share({', '.join(parts)})")
    p = bundle.posterior
    parent = "" if bundle.parent is None else f"{' ' * 20}parent={bundle.parent},\n"
    head = f"{quoted(p.family)}, {tuple_literal([quoted(n) for n in p.latents])}"
    inner = "".join(f"{' ' * 24}{s},\n" for s in shares)
    return (
        f"rt.Integral(\n{' ' * 20}{head}, {len(bundle.scope)},\n"
        f"{' ' * 20}(\n{inner}{' ' * 20}),\n{_sights(levels, piece, p)}{parent}{' ' * 16})"
    )


def _sights(levels: Levels, piece: PiecePlan, posterior: Posterior) -> str:
    """The parts of normal latents that are tied across rows, as each row sees them."""
    if not piece.match.coupled or piece.finite:
        return ""
    lines = [f"{' ' * 20}("]
    for name, via in posterior.sights:
        link = link_of(levels, piece.plate, (name, via))
        parts = [quoted(f"{name}[{via}]" if via else name), quoted(name)]
        parts += [] if link.up else [_places(link)]
        lines.append(f"{' ' * 24}rt.View({', '.join(parts)}),")
    return "\n".join([*lines, f"{' ' * 20}),", ""])


def _views(views: Views) -> list[str]:
    if not views.views:
        return []
    lines = ["            views=("]
    for key, array, link in views.views:
        parts = [quoted(key), quoted(array)]
        if link is not None:
            parts.append(_places(link))
        lines.append(f"                rt.View({', '.join(parts)}),")
    return [*lines, "            ),"]


def _structure(structure: Structure, coupling: Coupling) -> list[str]:
    return [
        "        rt.Structure(",
        f"            pieces={tuple_literal([str(i) for i in structure.pieces])},",
        *_group("links", [_link(s, coupling) for s in coupling.sends]),
        *_group("walks", [_walk(w, structure, coupling) for w in coupling.walks]),
        f"            infer=infer_{coupling.label},",
        "        ),",
    ]


def _group(name: str, items: list[str]) -> list[str]:
    if not items:
        return [f"            {name}=(),"]
    inner = [f"                {item}," for item in items]
    return [f"            {name}=(", *inner, "            ),"]


def _link(send: Send, coupling: Coupling) -> str:
    link = send.link
    source, target = (tuple_literal([quoted(a) for a in k.plates])
                      for k in (link.source, link.target))  # fmt: skip
    carries = [_seen(coupling.levels, link.source, a) for a, _ in send.axes]
    found = f"rt.Link({source}, {target}, {_places(link)}, {tuple_literal(carries)})"
    if len(found) <= 80:
        return found
    inner = [*(f"{x}, " for x in (source, target)), f"{_places(link)}, "]
    head = "".join(inner).rstrip()
    return f"rt.Link(\n{' ' * 20}{head}\n{' ' * 20}{_long(carries)},\n{' ' * 16})"


def _listed(name: str, items: list[str]) -> list[str]:
    """An argument of a piece: on one line, or on one for each item."""
    line = f"            {name}={tuple_literal(items)},"
    return [line] if len(line) <= 99 else _group(name, items)


def _long(items: list[str]) -> str:
    """A tuple as an item of a group: on one line, or on several where that is too long."""
    line = tuple_literal(items)
    if len(line) <= 80:
        return line
    return "\n".join(["(", *(f"{' ' * 20}{x}," for x in items), f"{' ' * 16})"])


def _seen(levels: Levels, level: Level, axis: str) -> str:
    """A latent as the rows of a level see it: its own or that of the row around by name alone."""
    latent = levels.of_axis[axis]
    target = levels.of(levels.model.variable(latent))
    link = levels.links.get((level.axis, axis), Link(level, target, own_places(target)))
    at = ", ".join(_spelt(p, levels.model) for p in link.places)
    parts = [quoted(f"{latent}[{at}]" if at else latent), quoted(latent)]
    if not link.up:
        parts.append(_places(link))
    return f"rt.View({', '.join(parts)})"


def _spelt(place: Place, model: Model) -> str:
    """A place as in the model's file."""
    if place.kind == "array":
        return f"{place.name}[{', '.join(model.variable(place.name).plates)}]"
    return str(place)


def _places(link: Link) -> str:
    return tuple_literal([_place(p) for p in link.places])


def _place(place: Place) -> str:
    return f"({quoted(place.kind)}, {quoted(place.name)}, {place.value})"


def _walk(walk: Walk, structure: Structure, coupling: Coupling) -> str:
    axes = tuple_literal([quoted(a) for a in walk.level.plates])
    parent = "" if walk.link.lag else walk.link.places[-1].name
    tables = [
        f"({structure.clusters[i][0]}, {structure.clusters[i][1]})"
        for i in walk.pair
        if coupling.is_shared(i)
    ]
    parts = [axes, quoted(parent), str(walk.history), tuple_literal(tables)]
    if walk.outer:
        given = [_seen(coupling.levels, walk.level, a) for a in walk.outer]
        parts.append(tuple_literal(given))
    return f"rt.Walk({', '.join(parts)})"
