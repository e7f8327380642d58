"""One group of continuous latents of a row, as the accounts of its posterior see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy as sp

from emdsl.derive.atoms import Atom, Elem, Ix
from emdsl.derive.joint import Joint
from emdsl.derive.levels import Link
from emdsl.derive.moments import Moment
from emdsl.derive.table import is_latent
from emdsl.inference.plan import Bundle, Cluster, PiecePlan
from emdsl.inference.posteriors import Posterior, Role
from emdsl.report.letters import letter
from emdsl.report.listed import listed
from emdsl.report.naturals import Natural
from emdsl.report.page import Page
from emdsl.report.printer import Printer
from emdsl.report.style import Math


@dataclass
class Account:
    """A bundle being written down; `message` is what the log of its integral is called."""

    page: Page
    joint: Joint
    piece: PiecePlan
    bundle: Bundle
    message: str
    p: Printer = field(init=False)

    def __post_init__(self) -> None:
        self.p = Printer(self.page.style, self.joint, elements=True, level=self.piece.level)

    @property
    def posterior(self) -> Posterior:
        assert self.bundle.posterior is not None
        return self.bundle.posterior

    @property
    def functions(self) -> list[tuple[Moment, Role, Cluster]]:
        """Each function of the latents, its role, and the terms that have it."""
        clusters = [self.piece.clusters[i] for i in self.bundle.clusters]
        return [(c.moment, self.posterior.role(c.moment), c) for c in clusters if c.moment]

    @property
    def links(self) -> Mapping[str, Link]:
        """From the rows whose terms are added up here, by their axis."""
        return {fold.link.source.axis: fold.link for fold in self.piece.folds}

    # -- names --

    def name(self, *wanted: str) -> str:
        """A name for what the account makes up."""
        return self.p.style.name(letter(self.joint.model, *wanted))

    def fresh(self, axes: Iterable[str]) -> tuple[str, ...]:
        """Axes like these that stand for a latent's entries in all formulas."""
        atoms = self.joint.atoms
        return tuple(atoms.fresh(atoms.axes[a].extent) for a in axes)

    def entry(self, base: str, known: Sequence[Natural], axes: Sequence[str]) -> str:
        """A parameter's entry: at its row and its discrete latents where it depends on them."""
        p, atoms = self.p, self.joint.atoms
        moves = any(k.moves(self.piece.plate, atoms) for k in known)
        rows = [x for x in map(p.plate, self.piece.level.plates) if x and moves]
        above = [p.latent(a) for a in self.above(known)]
        rest = [*above, *(p.index(a) for a in axes)]
        if rest or not rows:
            return p.style.at(base, [*rows, *rest])
        return p.style.element(base, ",".join(rows))

    def above(self, known: Sequence[Natural]) -> list[str]:
        """The discrete latents that a parameter depends on."""
        atoms = self.joint.atoms
        return [a for a in self.bundle.scope if any(k.depends_on(a, atoms) for k in known)]

    def expected(self, inner: str) -> Math:
        """E[f | z_n, data]"""
        given = [self.p.latent(a) for a in self.bundle.scope] + [self.p.style.word("data")]
        return Math(self.p.style.mean(f"{inner}{self.p.style.bar}{', '.join(given)}"))

    # -- sentences --

    def given(self) -> list[str]:
        """The discrete latents above: ", given z_n,"."""
        above = listed([Math(self.p.latent(a)) for a in self.bundle.scope])
        return [", given ", *above, ","] if above else []

    def shown_functions(self) -> list[str]:
        """The functions of the latents that the log joint has."""
        order = sorted(
            self.functions,
            key=lambda f: (f[1].second >= 0, f[1].first != f[1].second, f[1].kind == "product"),
        )
        shown = []
        for moment, _, _ in order:  # letters anew for each
            p = Printer(self.p.style, self.joint, elements=True, level=self.piece.level)
            shown.append(p.show(self.at_home(moment.expr)))
        return listed(list(dict.fromkeys(shown)))

    def at_home(self, expr: sp.Expr) -> sp.Expr:
        """A function of latents as their own rows have it, whichever rows it was met in."""
        if not self.piece.folds:
            return expr
        atoms, new = self.joint.atoms, {}
        for symbol in expr.free_symbols:
            atom = atoms.atom(symbol)
            if not is_latent(atom):
                continue
            if isinstance(atom, Elem):
                own: Atom = replace(atom, via="", idx=(self.piece.plate, *atom.idx[1:]))
            else:
                batch = (self.piece.plate, *atom.matrix.batch[1:])
                own = replace(atom, matrix=replace(atom.matrix, via="", batch=batch))
            new[symbol] = atoms.symbol(own)
        return expr.xreplace(new)

    def at_latent(self, expr: sp.Expr, names: Mapping[str, Ix]) -> str:
        """A function of latents at these axes, as their own rows have it."""
        return str(self.p.show(self.at_home(self.joint.atoms.rename(expr, names))))

    def write_message(self, exponent: str, over: str, value: str) -> None:
        """The log of the integral, and what it is."""
        style = self.p.style
        self.page.say(
            "The log of the integral is the log partition function"
            + (", a message to the discrete latents above:" if self.bundle.scope else ":")
        )
        inner = style.integral(style.function("exp", exponent, bare=False), over)
        self.page.formula(self.message, style.function("log", inner, bare=True))
        self.page.formula(self.message, value)

    def symbols(self, spelled: Sequence[str]) -> list[sp.Symbol]:
        """Positive symbols that are shown like this."""
        out = [sp.Symbol(f"shown {i} {s}", positive=True) for i, s in enumerate(spelled)]
        self.p.marks.update(zip(out, spelled, strict=True))
        return out
