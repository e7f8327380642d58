"""The E-step of rows that are independent: integrals, then sums, messages, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.derive.joint import Joint
from emdsl.derive.levels import Link
from emdsl.inference.plan import Bundle, Cluster, Fold, PiecePlan, Plan
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
)
from emdsl.report.coupled import mean_size, numbered
from emdsl.report.listed import listed
from emdsl.report.live import kept, write_potentials
from emdsl.report.page import Page
from emdsl.report.pointing import pointing
from emdsl.report.posterior_matrix import write_matrix
from emdsl.report.posterior_normal import write_normal
from emdsl.report.posterior_single import write_single
from emdsl.report.printer import Printer
from emdsl.report.shares import Shares
from emdsl.report.style import Math


def write_piece(page: Page, plan: Plan, piece: PiecePlan) -> None:
    """One level's rows: what is integrated and summed out, and what an iteration takes."""
    joint = plan.derived.joint
    plate = ", ".join(piece.level.plates)
    if piece.match.home and piece.match.home != piece.plate:
        page.say(
            f"What the rows of {plate} have without latents is summed once, before the first"
            " iteration: ", memory(page.style, joint, [piece]), " numbers.",
        )  # fmt: skip
        return
    if piece.clusters:
        _Writer(page, joint, piece).write()
    held = "features and the posterior" if piece.clusters else "features"
    evaluated = write_potentials(page, joint, [piece])
    known = [*evaluated, *integrals_cost(joint, piece)]
    page.say(
        "Time of an iteration: ",
        order(page.style, [*(written(page.style, c) for c in largest(known)),
                           *features_cost(page.style, joint, piece, known)]),
        *mean_size(page.style, joint, piece.level),
        ". Memory beside the data: ", memory(page.style, joint, [piece]),
        " numbers for the statistics, ", *kept(page.style, joint, [piece]), "and the ", held,
        " of one element."
        if piece.level.axis == joint.atoms.single
        else f" of one block of the elements of {plate} at a time.",
    )  # fmt: skip


def write_integrals(page: Page, joint: Joint, piece: PiecePlan) -> None:
    """The integrals of rows whose discrete latents are tied to those of other rows."""
    p = Printer(page.style, joint, elements=True, level=piece.level)
    for number, bundle in enumerate(piece.bundles, 1):
        if bundle.posterior is None:
            continue
        above = ", ".join(p.latent(a) for a in bundle.scope)
        base = numbered(p, "M", number)
        name = f"{base}({above})" if above else base
        account = Account(page, joint, piece, bundle, name)
        _write(account)
        names = listed([Math(p.element(n)) for n in bundle.posterior.latents])
        page.say(
            "In what follows ", Math(name), " takes the place of all that a log p has of ", *names,
            "."
        )  # fmt: skip


def _write(account: Account) -> None:
    match account.posterior.family:
        case "normal":
            write_normal(account)
        case "wishart" | "inverse_wishart":
            write_matrix(account)
        case _:
            write_single(account)


def integrals_cost(joint: Joint, piece: PiecePlan) -> list[Counted]:
    """What normal latents' precisions take to factor: the cube of their entries in each row."""
    found = []
    for bundle in piece.bundles:
        if bundle.posterior is None or bundle.posterior.family != "normal":
            continue
        above = times(rows_of(joint, piece.level), count(joint, bundle.scope))
        for i in bundle.clusters:
            moment = piece.clusters[i].moment
            if moment is None or len(moment.widths) != 2:
                continue
            axes = moment.axes if moment.along else moment.axes[: moment.widths[0]]
            one = count(joint, axes)
            if one[1]:  # where it is named: else a few multiplications, as features take
                found.append(times(above, one, one, one))
    return found


@dataclass
class _Writer:
    page: Page
    joint: Joint
    piece: PiecePlan

    def write(self) -> None:
        for fold in self.piece.folds:
            self._fold(fold)
        finite = self.piece.finite
        for number, bundle in enumerate(self.piece.bundles):
            if bundle.posterior is None:
                self._elsewhere(number, bundle)
                continue
            account = Account(
                self.page, self.joint, self.piece, bundle, self._name(-1 - number, bundle)
            )
            _write(account)
        if finite:
            self._sums(finite)
        self._evidence(finite)

    @property
    def printer(self) -> Printer:
        return Printer(self.page.style, self.joint, elements=True, level=self.piece.level)

    # -- integrals --

    def _fold(self, fold: Fold) -> None:
        p, link = self.printer, fold.link
        if link.target.axis == self.joint.atoms.single:
            self.page.say(
                f"What the rows of {', '.join(link.source.plates)} say of it is linear in their "
                "features, so these are added up once, before the first iteration."
            )
            return
        source = Printer(p.style, self.joint, elements=True, level=link.source)
        rows = ", ".join(link.source.plates)
        found = pairs(source, p, link)
        self.page.say(
            f"What the rows of {rows} say of latents of {', '.join(link.target.plates)} is linear"
            " in their features, so these are added up ",
            *(["at ", Math(found), " "] if found else []),
            "once, before the first iteration; an iteration goes through the rows of "
            f"{', '.join(link.target.plates)} only.",
        )  # fmt: skip

    def _elsewhere(self, number: int, bundle: Bundle) -> None:
        """What other rows say of discrete latents."""
        (i,) = bundle.clusters
        cluster = self.piece.clusters[i]
        fold = next(f for f in self.piece.folds if f.link.source.axis == cluster.source)
        p = self.printer
        source = Printer(p.style, self.joint, elements=True, level=fold.link.source)
        source.names = p.names
        inner = " + ".join(self._shares.of(source, {(0, i)}))
        inner = f"({inner})" if " + " in inner else inner
        self.page.say(
            f"The rows of {', '.join(fold.link.source.plates)} say of the discrete latents"
        )
        self.page.formula(self._name(-1 - number, bundle), pointing(source, p, fold.link) + inner)

    # -- sums --

    @property
    def _shares(self) -> Shares:
        return Shares(self.joint, {(0, j): c for j, c in enumerate(self.piece.clusters)})

    def _name(self, i: int, of: Bundle | Cluster) -> str:
        """m₁(z_n): bundles are first, with numbers from -1 down."""
        p = self.printer
        number = -i if i < 0 else len(self.piece.bundles) + i + 1
        rest = of.scope if isinstance(of, Bundle) else of.latents[1:]
        shown = ", ".join(p.latent(a) for a in rest)
        base = numbered(p, "m", number)
        return f"{base}({shown})" if shown else base

    def _child(self, i: int) -> str:
        return self._name(i, self.piece.bundles[-1 - i] if i < 0 else self.piece.clusters[i])

    def _sums(self, finite: tuple[tuple[int, Cluster], ...]) -> None:
        p, style = self.printer, self.page.style
        what = "The discrete latents" if self.piece.bundles else "The latents"
        self.page.say(f"{what} are summed out one after another, in log space:")
        for i, cluster in finite:
            parts = self._shares.of(p, {(0, i)}) + [self._child(c) for c in cluster.children]
            exp = style.function("exp", " + ".join(parts) or "0", bare=False)
            total = style.sum([p.latent(cluster.latents[0])])
            self.page.formula(
                self._name(i, cluster), style.function("log", f"{total} {exp}", bare=True)
            )

    def _evidence(self, finite: tuple[tuple[int, Cluster], ...]) -> None:
        piece, p = self.piece, self.printer
        last = [self._name(i, c) for i, c in finite if len(c.latents) == 1]
        last = [self._child(-1 - n) for n, b in enumerate(piece.bundles) if b.parent is None] + last
        extra = (
            " + the terms without a latent"
            if piece.direct or piece.direct_given or piece.direct_live
            else ""
        )
        self.page.say("The log evidence of an element is ", Math(" + ".join(last)), extra, ".")
        if finite:
            self.page.say(
                "Backward, the posterior of each cluster's latents is the derivative of the log"
                " evidence with respect to the log factors: the softmax of each sum above, times"
                " the posterior of the latents its message was passed to."
            )
        weighted = [b for b in piece.bundles if b.posterior is not None and b.scope]
        for bundle in weighted:
            assert bundle.posterior is not None
            above = ", ".join(p.latent(a) for a in bundle.scope)
            data = p.style.word("data")
            self.page.say(
                "A statistic weighs each expectation of a function of ",
                *listed([Math(p.element(n)) for n in bundle.posterior.latents]), " given ",
                Math(above), " with ",
                Math(p.style.function("P", f"{above}{p.style.bar}{data}", bare=False)), ".",
            )  # fmt: skip


def pairs(source: Printer, target: Printer, link: Link) -> str:
    """g = group_n: which row a row points to; nothing where it is the one around it."""
    shown = [
        f"{target.plate(plate)} {source.style.equals} {there}"
        for plate, there in zip(link.target.plates, source.through(link), strict=True)
        if there != target.plate(plate)
    ]
    return ", ".join(shown)
