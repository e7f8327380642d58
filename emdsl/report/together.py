"""Normal latents that rows tie to each other: one sparse system, and how it is eliminated."""

from __future__ import annotations

from collections.abc import Iterable

from emdsl.derive.joint import Joint
from emdsl.derive.levels import Link
from emdsl.inference.continuous import link_of
from emdsl.inference.plan import PiecePlan, Plan, Together
from emdsl.report.bundle import Account
from emdsl.report.cost import (
    Counted,
    count,
    features_cost,
    largest,
    memory,
    order,
    rows_of,
    times,
    written,
)  # fmt: skip
from emdsl.report.coupled import mean_size
from emdsl.report.listed import listed
from emdsl.report.page import Page
from emdsl.report.posterior_normal import Blocks
from emdsl.report.style import Math


def write_together(page: Page, plan: Plan, structure: Together) -> None:
    """What each row ties, the precision of all latents, how it is factored, and the cost."""
    joint = plan.derived.joint
    pieces = [plan.pieces[i] for i in structure.pieces]
    blocks: list[Blocks] = []
    for piece in pieces:
        for bundle in piece.bundles:
            if bundle.posterior is None:
                continue
            blocks.append(Blocks(Account(page, joint, piece, bundle, ""), apart=True))
            _write_rows(page, piece, blocks[-1])
    names = list(dict.fromkeys(
        n for p in pieces for b in p.bundles if b.posterior is not None for n in b.posterior.latents
    ))  # fmt: skip
    _write_system(page, names, structure, blocks[0])
    _write_elimination(page, joint, pieces)
    _write_cost(page, joint, pieces, names)


def _write_rows(page: Page, piece: PiecePlan, blocks: Blocks) -> None:
    parts = [blocks.part(i) for i in sorted(blocks.axes)]
    alone = piece.level.axis == blocks.account.joint.atoms.single
    rows = "What stands in no plate" if alone else f"Each row of {', '.join(piece.level.plates)}"
    verb = "ties" if len(parts) > 1 else "sees"
    page.say(
        f"{rows} {verb} ", *listed(parts), ". As a function of "
        f"{'these' if len(parts) > 1 else 'it'} its part of the log joint is a sum of ",
        *blocks.account.shown_functions(), " times what is free of latents: linear coefficients ",
        Math(blocks.linear_name), " and minus one half of a quadratic form ",
        Math(blocks.precision_name), ", with the blocks",
    )  # fmt: skip
    blocks.write()


def _write_system(page: Page, names: list[str], structure: Together, blocks: Blocks) -> None:
    a, style = blocks.account, page.style
    h, j, u = a.name("h", "k", "q", "linear"), a.name("J", "H", "joint"), a.name("u", "w", "vector")
    outer = ", ".join(structure.independent.plates)
    every = listed([Math(style.name(n)) for n in names])
    page.say(
        "Let ", Math(u), " be all elements of ", *every,
        *([f" in one {outer}" if outer else ""]), ", one below the other, ", Math(h), " the ",
        Math(blocks.linear_name), " of all rows and ", Math(j), " their ",
        Math(blocks.precision_name), ", each block added up where the elements that the row sees"
        " are. The log joint is",
    )  # fmt: skip
    quadratic = f"{style.half()} {style.transpose(u)} {j} {u}"
    page.formula("", f"{style.transpose(h)} {u} {style.minus} {quadratic}")
    data = style.word("data")
    inverse = style.inverse(j)
    mean = style.mean(f"{u}{style.bar}{data}")
    page.say(
        "and terms without a latent. Nothing but entries and products of two: given the data, all"
        " of them together are normal, with sparse precision ", Math(j), ". The log evidence is the"
        " terms without a latent and",
    )  # fmt: skip
    det = style.function("log det", j, bare=True)
    dim = style.function("dim", u, bare=True)
    log = style.function("log", f"2 {style.pi}", bare=False)
    page.formula(
        "",
        f"{style.half()} {style.transpose(h)} {inverse} {h} {style.minus} {style.half()} {det}"
        f" + {style.half()} {dim} {log}",
    )
    page.say("Its derivatives are the expectations, of what some row sees together:")
    page.formula(mean, f"{inverse} {h}")
    page.formula(
        style.mean(f"{u} {style.transpose(u)}{style.bar}{data}"),
        f"{inverse} + {mean} {style.transpose(mean)}",
    )


# --- elimination -------------------------------------------------------------------------------


def _links(joint: Joint, pieces: Iterable[PiecePlan]) -> dict[str, set[Link]]:
    """By latent, how rows see its elements where they aren't the row's own."""
    out: dict[str, set[Link]] = {}
    for piece in pieces:
        for bundle in piece.bundles:
            for name, via in bundle.posterior.sights if bundle.posterior is not None else ():
                link = link_of(joint.levels, piece.plate, (name, via))
                if not link.own:
                    out.setdefault(name, set()).add(link)
    return out


def _write_elimination(page: Page, joint: Joint, pieces: list[PiecePlan]) -> None:
    links = _links(joint, pieces)
    within = {n for n, found in links.items() if any(k.within for k in found)}
    chains = [n for n in within if all(k.lag for k in links[n] if k.within)]
    trees = [n for n in within if n not in chains]
    others = [n for n in links if n not in within]
    page.say(
        "The inverse is never formed. Blocks are eliminated one after the other, each by a Cholesky"
        " factor, which leaves a smaller system; the way back gives means and those blocks of the"
        " covariance that are needed (Takahashi, Fagan and Chin 1973; Rue and Held 2005, section"
        " 2.4). The order depends on what is tied only, and is found once:"
    )
    if chains:
        page.item(
            f"{_and(chains)}: a chain. Every second element is eliminated, then every second one of"
            " those left: block cyclic reduction (Hockney 1965; Heller 1976). What comes out is"
            " what the Kalman filter (Kalman 1960) and the smoother of Rauch, Tung and Striebel"
            " (1965) give, in information form; EM with it: Shumway and Stoffer 1982."
        )
    if trees:
        page.item(
            f"{_and(trees)}: a tree. Leaves are eliminated along with paths between branchings"
            " (rake and compress: Miller and Reif 1985)."
        )
    if others:
        page.item(
            f"{_and(others)}: elements with few ties go first (multiple minimum degree: Liu 1985)."
            " Where effects are nested no new ties appear; where they cross, elements of the larger"
            " family go and a dense matrix over the smaller one is left. EM with it: Dempster,"
            " Laird and Rubin 1977; Laird and Ware 1982."
        )
    page.say("Rows with equal features of the quadratic form have it worked out once.")


def _and(names: Iterable[str]) -> str:
    return "".join(listed(sorted(names)))


# --- cost --------------------------------------------------------------------------------------


def _write_cost(page: Page, joint: Joint, pieces: list[PiecePlan], names: list[str]) -> None:
    style, model = page.style, joint.model
    elements: list[Counted] = []
    blocks: list[Counted] = []
    crossed = any(not k.within for found in _links(joint, pieces).values() for k in found)
    for name in names:
        v = model.variable(name)
        level = joint.levels.of(v)
        inner = _entries(joint, pieces, name)
        n = rows_of(joint, level)
        elements.append(times(n, inner, inner, inner))
        blocks.append(times(n, inner, inner))
    features = [w for p in pieces for w in features_cost(style, joint, p, [])]
    page.say(
        "Time of an iteration: ",
        order(style, [*(written(style, c) for c in largest(elements)), *features]),
        *mean_size(style, joint, *(p.level for p in pieces)),
        ", and the cube of the number of entries in the dense matrix, if one is left"
        if crossed else "",
        ". Memory beside the data: ", memory(style, joint, pieces),
        " numbers for the statistics, and ",
        order(style, [written(style, c) for c in largest(blocks)]),
        " for the blocks of the factor and of the covariance, with those that elimination ties.",
    )  # fmt: skip


def _entries(joint: Joint, pieces: list[PiecePlan], name: str) -> Counted:
    """How many entries one element of a latent has."""
    for piece in pieces:
        for c in piece.clusters:
            if c.moment is not None and c.moment.widths and c.moment.sights[0][0] == name:
                axes = c.moment.axes if c.moment.along else c.moment.axes[: c.moment.widths[0]]
                return count(joint, axes)
    return 1, ()
