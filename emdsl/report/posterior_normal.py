"""Normal latents: the linear coefficients and the precision that rows give them, block by block.

log joint = b'u - u' Λ u / 2 + ...,   u ~ N(Λ⁻¹ b, Λ⁻¹)     (Bishop 2006, section 2.3.1)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from emdsl.derive.atoms import Ind, Ix, Value
from emdsl.inference.continuous import link_of
from emdsl.report.bundle import Account
from emdsl.report.cost import count, written
from emdsl.report.listed import listed
from emdsl.report.naturals import Natural, Summand, natural, summands
from emdsl.report.style import Math

Block = tuple[int, int]


@dataclass
class Blocks:
    """b and Λ of the parts of a row's vector; a part is a latent as the row sees it."""

    account: Account
    apart: bool  # name the parts even where there is only one
    axes: dict[int, tuple[str, ...]] = field(default_factory=dict)  # of each part's entries
    twins: dict[int, tuple[str, ...]] = field(default_factory=dict)  # a second set of them
    linear: dict[int, Natural] = field(default_factory=dict)
    precision: dict[Block, Natural] = field(default_factory=dict)

    def __post_init__(self) -> None:
        a = self.account
        for moment, role, _ in a.functions:
            width = len(moment.axes) if role.kind == "along" else moment.widths[0]
            for part, axes in ((role.first, moment.axes[:width]),
                               (role.second, moment.axes if role.kind == "along"
                                else moment.axes[width:])):  # fmt: skip
                if part >= 0 and part not in self.axes:
                    self.axes[part] = a.fresh(axes)
                    self.twins[part] = a.fresh(axes)
        self.linear = {i: natural(self._linear(i)) for i in sorted(self.axes)}
        pairs = {(min(r.first, r.second), max(r.first, r.second))
                 for _, r, _ in a.functions if r.second >= 0}  # fmt: skip
        self.precision = {pair: natural(self._precision(pair)) for pair in sorted(pairs)}
        self.linear_name = a.name("b", "c", "η", "linear")
        self.precision_name = a.name("Λ", "P", "precision")

    @property
    def scalar(self) -> bool:
        """Whether it is one number."""
        return len(self.axes) == 1 and not self.axes[0] and not self.apart

    @property
    def several(self) -> bool:
        return len(self.axes) > 1 or self.apart

    # -- what rows say --

    def _linear(self, part: int) -> list[tuple[str, Summand]]:
        atoms = self.account.joint.atoms
        out = []
        for moment, role, cluster in self.account.functions:
            if role.kind == "linear" and role.first == part:
                names: dict[str, Ix] = dict(zip(moment.axes, self.axes[part], strict=True))
                out += [(cluster.source, x.renamed(names, atoms)) for x in summands(cluster, atoms)]
        return out

    def _precision(self, pair: Block) -> list[tuple[str, Summand]]:
        """Minus the second derivatives: of c u_l u_m, -c and -c' with its axes exchanged."""
        atoms = self.account.joint.atoms
        rows = self.axes[pair[0]]
        columns = self.twins[pair[1]] if pair[0] == pair[1] else self.axes[pair[1]]
        out: list[tuple[str, Summand]] = []
        for moment, role, cluster in self.account.functions:
            if role.second < 0 or {role.first, role.second} != {*pair}:
                continue
            found = summands(cluster, atoms)
            if role.kind == "along":
                number = -2 if pair[0] == pair[1] else -1
                same = sp.Mul(*(self._same(x, y) for x, y in zip(rows, columns, strict=True)))
                names: dict[str, Ix] = dict(zip(moment.axes, rows, strict=True))
                out += [(cluster.source, x.renamed(names, atoms).times(number * same))
                        for x in found]  # fmt: skip
                continue
            forward, backward = (*rows, *columns), (*columns, *rows)
            ways = [forward, backward] if pair[0] == pair[1] else (
                [forward] if role.first == pair[0] else [backward]
            )  # fmt: skip
            for way in ways:
                names = dict(zip(moment.axes, way, strict=True))
                out += [(cluster.source, x.renamed(names, atoms).times(sp.Integer(-1)))
                        for x in found]  # fmt: skip
        return out

    def _same(self, one: str, other: str) -> sp.Expr:
        atoms = self.account.joint.atoms
        return atoms.symbol(Ind(sp.Eq(atoms.symbol(Value(one)), atoms.symbol(Value(other)))))

    # -- how it is written --

    def part(self, number: int) -> Math:
        """f_n, z_{t-1}: the latent that a part is."""
        a = self.account
        name, via = a.posterior.sights[number]
        if not via:
            return Math(a.p.element(name))
        return Math(a.p.placed(name, link_of(a.joint.levels, a.piece.plate, (name, via))))

    def linear_entry(self, part: int, axes: tuple[str, ...] | None = None) -> str:
        """b[n,l], or b(f_n)[l] of one of several parts."""
        axes = self.axes[part] if axes is None else axes
        return self._entry(self.linear_name, [self.linear[part]], axes, [part])

    def precision_entry(self, pair: Block) -> str:
        """Λ[n,l,m], or Λ(f_n, g_n)[l,m]."""
        columns = self.twins[pair[1]] if pair[0] == pair[1] else self.axes[pair[1]]
        axes = (*self.axes[pair[0]], *columns)
        return self._entry(self.precision_name, [self.precision[pair]], axes, list(pair))

    def _entry(
        self, base: str, known: list[Natural], axes: tuple[str, ...], parts: list[int]
    ) -> str:
        a = self.account
        if not self.several:
            return a.entry(base, known, axes)
        head = f"{base}({', '.join(self.part(i) for i in parts)})"
        rest = [*(a.p.latent(x) for x in a.above(known)), *(a.p.index(x) for x in axes)]
        return a.p.style.at(head, rest)

    def write(self) -> None:
        """b and Λ, entry by entry."""
        a = self.account
        for part, known in self.linear.items():
            if known.is_nothing and self.apart:
                continue
            a.p.names.given.clear()  # letters anew: no index is shared between formulas
            a.page.formula(self.linear_entry(part), known.show(a.p, a.links))
        for pair, known in self.precision.items():
            a.p.names.given.clear()
            a.page.formula(self.precision_entry(pair), known.show(a.p, a.links))

    def half_size(self) -> str:
        """½ (L + M), a factor: half the number of entries that all parts have."""
        style = self.account.p.style
        sizes = [count(self.account.joint, axes) for axes in self.axes.values()]
        number = sp.Rational(sum(n for n, names in sizes if not names), 2)
        shown = [written(style, s) for s in sizes if s[1]]
        if not shown:
            return "" if number == 1 else self.account.p.show(number) + " "
        shown += [str(2 * number)] if number else []
        size = f"({' + '.join(shown)})" if len(shown) > 1 else shown[0]
        return f"{style.half()} {size} "


def write_normal(account: Account) -> None:
    """The row's own normal latents, integrated out."""
    a, page = account, account.page
    blocks = Blocks(a, apart=False)
    parts = [blocks.part(i) for i in sorted(blocks.axes)]
    page.say(
        "As a function of ", *listed(parts), *a.given(), " the log joint is a sum of ",
        *a.shown_functions(), " times what is free of it: nothing but entries and products of two,"
        " so the posterior is normal (Bishop 2006, section 2.3.1), with linear coefficients ",
        Math(blocks.linear_name), " and precision ", Math(blocks.precision_name), ":",
    )  # fmt: skip
    blocks.write()
    if not any(k.moves(a.piece.plate, a.joint.atoms) for k in blocks.precision.values()):
        page.say("The precision is the same for all rows, so it is factored once.")
    if blocks.scalar:
        _write_number(a, blocks)
    else:
        _write_vector(a, blocks, parts)


def _write_number(a: Account, blocks: Blocks) -> None:
    """One number: everything by its formula."""
    p = a.p
    element = blocks.part(0)
    b, precision, u = a.symbols([blocks.linear_entry(0), blocks.precision_entry((0, 0)), element])
    half = (sp.log(2 * sp.pi) - sp.log(precision)) / 2
    exponent = p.show(b * u - precision * u**2 / 2)
    a.write_message(exponent, element, p.show(half + b**2 / (2 * precision)))
    _say_means(a)
    a.page.formula(a.expected(element), p.show(b / precision))
    a.page.formula(a.expected(p.show(u**2)), p.show(1 / precision + b**2 / precision**2))


def _write_vector(a: Account, blocks: Blocks, parts: list[Math]) -> None:
    style = a.p.style
    b, precision = blocks.linear_name, blocks.precision_name
    inverse = style.inverse(precision)
    u = a.name("u", "w", "vector") if blocks.several else str(parts[0])
    if blocks.several:
        a.page.say(
            "Let ", Math(f"{u} = ({', '.join(parts)})"), ", with ", Math(b), " and ",
            Math(precision), " made of these blocks.",
        )  # fmt: skip
    quadratic = f"{style.half()} {style.transpose(u)} {precision} {u}"
    exponent = f"{style.transpose(b)} {u} {style.minus} {quadratic}"
    value = (
        f"{blocks.half_size()}{style.function('log', f'2 {style.pi}', bare=False)}"
        f" {style.minus} {style.half()} {style.function('log det', precision, bare=True)}"
        f" + {style.half()} {style.transpose(b)} {inverse} {b}"
    )
    a.write_message(exponent, u, value)
    _say_means(a)
    mean = a.expected(u)
    a.page.formula(mean, f"{inverse} {b}")
    if blocks.precision:
        a.page.formula(a.expected(f"{u} {style.transpose(u)}"),
                       f"{inverse} + {mean} {style.transpose(mean)}")  # fmt: skip


def _say_means(a: Account) -> None:
    a.page.say("Its derivatives are the posterior expectations that the statistics are made of:")
