"""What no closed form solves: why, the share of Q, its derivatives, and how it is climbed."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.atoms import Seen
from emdsl.derive.mstep.neat import plain
from emdsl.derive.mstep.share import Numeric, Share
from emdsl.derive.mstep.shorten import Letters, Shortened, shortened
from emdsl.derive.picks import picked
from emdsl.derive.smooth import Expit
from emdsl.report.cost import Counted, count, largest, order, rows_of, times, written
from emdsl.report.joint import level_at
from emdsl.report.listed import listed
from emdsl.report.page import Page
from emdsl.report.printer import SUM, Printer
from emdsl.report.rows import with_rows
from emdsl.report.rules.context import Context
from emdsl.report.style import Math
from emdsl.report.tidy import fraction
from emdsl.runtime.newton import LARGE, LARGEST
from emdsl.runtime.numeric import ALL, FEW

LETTERS = Letters(("η", "ζ", "ξ", "ω"), ("ρ", "π", "τ", "υ"), ("c", "h", "b", "a"))

_COORDINATES = {  # of one parameter, and of several
    "real": ("{} as it is", "{} as they are"),
    "positive": ("the log of {}", "the logs of {}"),
    "unit": ("the logit of {}", "the logits of {}"),
    "ordered": ("the first entry and the logs of the gaps of {}",) * 2,
    "simplex": ("the logs of the shares of {}",) * 2,
}


def write_method(page: Page, *, iterated: bool) -> None:
    """How every block is climbed; `iterated` says that there are more M-steps than this one."""
    page.say(
        "What no rule solves is climbed by damped Newton steps in coordinates that nothing bounds,",
        f" at most {FEW} of them in an iteration, from the values of the one before: the posterior"
        " moves as well, so more would be wasted (a generalised EM step; Dempster, Laird and Rubin"
        " 1977)."
        if iterated
        else f" at most {ALL} of them: nothing is latent, so that Q stays as it is, and they go to"
        " the end.",
        " A step that would lower Q is shortened until it doesn't, so the objective never falls."
        " Where Q curves upwards, the size of the curvature counts, so that the step still goes"
        " uphill. In a problem with more than"
        f" {LARGE if iterated else LARGEST} unknowns L-BFGS takes the steps, from the gradient"
        " alone.",
    )


def write(c: Context, form: Numeric) -> bool:
    """The whole account."""
    writer = _Writer(c, form)
    writer.why()
    writer.share()
    writer.derivatives()
    writer.corners()
    writer.climb()
    return True


class _Writer:
    def __init__(self, c: Context, form: Numeric) -> None:
        self.c = c
        self.form = form
        self.p = c.printer
        self.page = c.page
        self.p.names.given.clear()
        self.short: Shortened = shortened(form, LETTERS.without(c.taken()), c.atoms)
        for s in self.short.shorts:
            name = str(s.symbol).partition("[")[0]
            self.p.names.given[f"short {name}"] = name
        self.base = dict(self.p.names.given)

    def _letters(self, *axes: str) -> None:
        """Begin the letters of one formula: those of its own entries come first."""
        self.p.names.given = dict(self.base)
        for axis in (*self.form.batch, *axes):
            self.p.names.of(axis)

    # -- why --

    def why(self) -> None:
        form, page, why = self.form, self.page, self.form.why
        if why.mixed:
            one = len(why.terms) == 1
            page.say(
                f"{'This term' if one else 'These terms'} of Q mix{'es' * one} data and parameters."
                f" No statistic of the data holds {'it' if one else 'them'}, and no closed form"
                " maximises Q:"
            )
            for term in why.terms:
                page.formula("", self._in_the_way(term))
        else:
            page.say("No rule solves a Q that has these functions together:")
            page.formula("", ", ".join(self._in_the_way(t) for t in why.terms))
        if len(form.params) > 1:
            page.say(
                *self._listed(form.params), " share terms of Q, so they are solved together, as one"
                " vector.",
            )  # fmt: skip
        for f in why.profiled:
            self.p.names.given = dict(self.base)
            left = self.p.style.at(self.c.name(f.param), [self.p.index(a) for a in f.cell])
            page.say(
                "Given ", *self._listed(form.params), ", Q is highest where ",
                Math(self.c.name(f.param)), " has a closed form. It is put in, and what is left"
                " is a smaller problem:",
            )  # fmt: skip
            page.formula(left, self.c.show(plain(f.value)))
        if why.common != 1:
            page.say(
                "The positive factor ", self.p.show(why.common), " is common to all terms and"
                " doesn't move the maximum; it is left out.",
            )  # fmt: skip

    def _in_the_way(self, term: sp.Expr) -> Math:
        p = Printer(self.page.style, self.p.joint, elements=True)
        rows = [a for a in sorted(self.c.atoms.axes_of(term)) if self._is_row(a)]
        if rows:
            p.level = level_at(rows[0])
        seen = {s: 1 for s in term.free_symbols if isinstance(self.c.atoms.atom(s), Seen)}
        return p.show(term.xreplace(seen))

    def _is_row(self, axis: str) -> bool:
        return self.c.atoms.axes[axis].role == "plate"

    def _listed(self, names: tuple[str, ...]) -> list[str]:
        return listed([Math(self.c.name(n)) for n in names])

    # -- Q and its derivatives --

    def share(self) -> None:
        page, p = self.page, self.p
        if self.short.shorts:
            page.say("With these names, for what is computed in each row,")
            for s in self.short.shorts:
                p.names.given = dict(self.base)
                p.level = level_at(s.plate)
                page.formula(p.show(s.symbol), p.show(s.value))
        each = ""
        self._letters()
        if self.form.batch:
            axes = ", ".join(p.names.of(a) for a in self.form.batch)
            each = f", a problem of its own for each {axes},"
        page.say(("the" if self.short.shorts else "The") + f" share of Q{each} is")
        page.formula("Q", self._show(self.short.value))
        if self._has_expit():
            inner = p.style.name("x")
            exp = p.style.function("exp", f"{p.style.minus}{inner}", bare=False)
            expit = p.style.function("expit", inner, bare=False)
            bottom = f"(1 + {exp})" if p.inline else f"1 + {exp}"
            page.say("and with ", Math(f"{expit} = {p.style.over('1', bottom)}"),
                     " its gradient and its Hessian are")  # fmt: skip
        else:
            page.say("and its gradient and its Hessian are")

    def _has_expit(self) -> bool:
        shares = (*self.short.gradient, *(s for row in self.short.hessian for s in row))
        return any(e.has(Expit) for s in shares for e in (s.static, *(r.expr for r in s.rows)))

    def derivatives(self) -> None:
        form, style = self.form, self.p.style
        for i, share in enumerate(self.short.gradient):
            self._letters(*form.cells[i])
            row = self._entry(i, form.cells[i])
            self.page.formula(style.slope("Q", [row]), self._show(share))
        for i, blocks in enumerate(self.short.hessian):
            for j, share in enumerate(blocks, i):
                self._letters(*form.cells[i], *form.twins[j])
                both = [self._entry(i, form.cells[i]), self._entry(j, form.twins[j])]
                self.page.formula(style.slope("Q", both), self._show(share))

    def _entry(self, i: int, own: tuple[str, ...]) -> str:
        axes = (*self.form.batch, *own)
        order = self.form.places[i]
        placed = [self.p.index(axes[order.index(k)]) for k in range(len(order))]
        return self.p.style.at(self.c.name(self.form.params[i]), placed)

    def _show(self, share: Share) -> str:
        first = self.p.show(fraction(self.c.tidy(share.static)), SUM) if share.static != 0 else ""
        return with_rows(self.p, first, share.rows)

    # -- what has none --

    def corners(self) -> None:
        """The absolute values, which have no derivative where they are zero."""
        bent = self.form.bent
        if bent is None:
            return
        self._letters()
        self.page.say(
            "Beside these stand absolute values, at whose corners there is no derivative:"
        )
        self.page.formula("", self._show(bent))
        self.page.say(
            "Each step is to where Q's second-order model and these, as they are, are highest"
            " together, so that an entry may be put exactly where one is zero (proximal Newton"
            " steps; Lee, Sun and Saunders 2014)."
        )

    # -- how it is climbed --

    def climb(self) -> None:
        form, page = self.form, self.page
        kinds = [self.p.joint.model.param(n).type.kind for n in form.params]
        parts: list[str] = []
        groups = dict.fromkeys(kinds)
        for i, kind in enumerate(groups):
            names = tuple(n for n, k in zip(form.params, kinds, strict=True) if k == kind)
            before, _, after = _COORDINATES[kind][len(names) > 1].partition("{}")
            glue = (" and " if i == len(groups) - 1 else ", ") if i else ""
            parts += [glue + before, *self._listed(names), after]
        page.say("The steps are in ", *parts, ".")
        top = "the gradient is zero" if form.bent is None else "nothing leads up"
        page.say(
            "It is the maximum: Q is concave."
            if form.concave
            else f"They end in a maximum, where {top}. Nothing proves that Q is concave here, so"
            " there may be others.",
        )
        self._groups()
        costs = self._cost()
        if costs:
            style = page.style
            page.say(
                "A step takes ", order(style, [written(style, x) for x in costs]), " for the sums"
                " over rows.",
            )  # fmt: skip

    def _groups(self) -> None:
        """Of entries that rows pick: the Hessian's zeros."""
        form = self.form
        numbers = [i * len(form.params) - i * (i - 1) // 2 for i in range(len(form.params))]
        picks = tuple(
            n for n, number in zip(form.params, numbers, strict=True) if form.ties[number]
        )
        if picks:
            self.page.say(
                "Each row picks entries of ", *self._listed(picks), ", and between different ones"
                f" the Hessian is zero. With more than {LARGE} unknowns these zeros are left out"
                " and a step is solved group by group, with a Schur complement for what groups"
                " share, in place of L-BFGS; unless that is a large table, as of pairs.",
            )  # fmt: skip

    def _cost(self) -> list[Counted]:
        joint, form = self.p.joint, self.form
        found = []
        for number, share in enumerate(form.blocks):
            axes = (*form.batch, *form.block_axes(number))
            for part in share.rows:
                rows = rows_of(joint, level_at(part.plate))
                for term in sp.Add.make_args(part.expr):
                    places = picked(term, axes, joint.atoms)  # a row has one of these each
                    spread = tuple(a for a in axes if a not in places)
                    found.append(times(rows, count(joint, spread)))
        return largest(found)
