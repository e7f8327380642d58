"""The posterior of continuous latents, named by the functions of them that the log joint has.

    u_l, u_l u_m                      normal, of all latents that are multiplied with each other
    log u, u^p                        gamma of u^p          (inverse gamma where p < 0)
    log u, u, 1/u                     generalised inverse Gaussian
    log u, log(1 - u)                 beta                  log u_k on a simplex: Dirichlet
    u, u^2 with u > 0                 truncated normal
    log det W, W_ij                   Wishart                log det W, inv(W)_ij: inverse Wishart
    u, u^2, u cut by data             truncated normal, its bounds each row's own

Whatever the distributions were called, the coefficients of these functions are the posterior's
natural parameters (Diaconis and Ylvisaker, Ann. Stat. 7 (1979)).
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from emdsl.derive.atoms import Elem, InvOf, LogDetOf
from emdsl.derive.cuts import Cut
from emdsl.derive.moments import Moment, Sight, not_normal, written
from emdsl.derive.table import Atoms
from emdsl.inference.match import Refusal
from emdsl.model.graph import Model
from emdsl.source import Span


@dataclass(frozen=True)
class Role:
    """What a moment is to its posterior.

    Of a normal's parts i and j "linear", "product" or "along"; or a family's function number i.
    """

    kind: str
    first: int
    second: int = -1


@dataclass(frozen=True)
class Posterior:
    """A family for latents that hang together, with the role of each of their moments.

    `power` is p where u^p has the family's distribution; `mirrored` are moments met as u_j u_i
    where the pair is kept as (i, j). `cut` says where data leave the latent possible.
    """

    family: str
    latents: tuple[str, ...]
    roles: tuple[tuple[Moment, Role], ...]
    power: sp.Expr = sp.S.One
    sights: tuple[Sight, ...] = ()  # a normal's parts
    cut: Cut | None = None

    def role(self, moment: Moment) -> Role:
        return dict(self.roles)[moment]


def posteriors_of(
    model: Model,
    atoms: Atoms,
    moments: tuple[tuple[Moment, Span], ...],
    strategy: str,
    *,
    at_home: bool = False,
    cuts: tuple[Cut, ...] = (),
) -> tuple[Posterior, ...] | Refusal:
    """The posterior of each group of latents that moments tie; a refusal where one has none.

    `at_home` says that a latent is the same whichever rows see it.
    """
    group: dict[str, str] = {}

    def root(name: str) -> str:
        group.setdefault(name, name)
        while group[name] != name:
            name = group[name]
        return name

    for moment, _ in moments:
        first, *others = (root(name) for name, _ in moment.sights)
        for other in others:
            group[root(other)] = root(first)
    names = dict.fromkeys(root(n) for m, _ in moments for n, _ in m.sights)
    out: list[Posterior] = []
    for name in names:
        own = tuple((m, s) for m, s in moments if root(m.sights[0][0]) == name)
        cut = next((c for c in cuts for m, _ in own if c.latent.name in _names(m)), None)
        if cut is None:
            found = _posterior(model, atoms, own, strategy, at_home)
        else:
            found = _cut_normal(cut, atoms, own, strategy)
        if isinstance(found, Refusal):
            return found
        out.append(found)
    return tuple(out)


def _posterior(
    model: Model,
    atoms: Atoms,
    moments: tuple[tuple[Moment, Span], ...],
    strategy: str,
    at_home: bool,
) -> Posterior | Refusal:
    kinds = {model.variable(n).type.kind for m, _ in moments for n, _ in m.sights}
    if kinds == {"real"}:
        return _normal(moments, atoms, strategy, at_home)
    names = {n for m, _ in moments for n, _ in m.sights}
    if len(names) > 1:
        tying, span = next((m, s) for m, s in moments if len({n for n, _ in m.sights}) > 1)
        both = " and ".join(f"`{n}`" for n, _ in tying.sights)
        return Refusal(
            strategy,
            f"the log joint has {written(tying.expr, atoms)} in it: {both} are tied to each other, "
            "and only normal latents have a joint posterior of a known form",
            span,
        )
    (name,) = names
    if kinds == {"posdef"}:
        return _matrix(name, atoms, moments, strategy)
    return _single(name, kinds.pop(), atoms, moments, strategy)


def _normal(
    moments: tuple[tuple[Moment, Span], ...], atoms: Atoms, strategy: str, at_home: bool
) -> Posterior | Refusal:
    for m, span in moments:
        if not m.is_power:
            return Refusal(strategy, not_normal(m.expr, m.sights[0][0], atoms), span)
    sights = sorted({s for m, _ in moments for s in m.sights})
    if at_home:
        sights = [(n, "") for n in dict.fromkeys(n for n, _ in sights)]
    place = {s: i for i, s in enumerate(sights)}
    roles: list[tuple[Moment, Role]] = []
    for m, _ in moments:
        at = [place[(n, "") if at_home else (n, via)] for n, via in m.sights]
        if len(at) == 1:
            roles.append((m, Role("linear", at[0])))
        else:
            roles.append((m, Role("along" if m.along else "product", at[0], at[1])))
    latents = tuple(dict.fromkeys(n for n, _ in sights))
    return Posterior("normal", latents, tuple(roles), sights=tuple(sights))


def _names(m: Moment) -> set[str]:
    return {name for name, _ in m.sights}


def _cut_normal(
    cut: Cut, atoms: Atoms, moments: tuple[tuple[Moment, Span], ...], strategy: str
) -> Posterior | Refusal:
    """A latent that would be normal, cut by data: each entry has a posterior of its own.

    Of several that hang together a normal cut off in one direction has no closed integral.
    """
    name = cut.latent.name
    if strategy == "gaussian":
        why = f"data cut `{name}` off, so that its posterior isn't normal"
        return Refusal(strategy, why, cut.span, apt=False)
    roles: list[tuple[Moment, Role]] = []
    for m, span in moments:
        if not m.is_power:
            if len(m.sights) == 1:
                u = atoms.symbol(next(a for a in atoms.deep(m.expr) if isinstance(a, Elem)))
                why = (
                    f"data cut `{name}` off, and the log joint has {written(m.expr, atoms)} in it: "
                    f"integrals between bounds are known where it has {u} and its square only"
                )
                return Refusal(strategy, why, span)
            return Refusal(strategy, not_normal(m.expr, name, atoms), span)
        if len(m.sights) == 2 and (m.sights[0] != m.sights[1] or not m.along):
            others = sorted(_names(m) - {name})
            tied = (
                f"`{name}` and {' and '.join(f'`{n}`' for n in others)}" if others
                else f"elements of `{name}`"
            )  # fmt: skip
            why = (
                f"data cut `{name}` off, and {written(m.expr, atoms)} in the log joint ties {tied} "
                "to each other: a normal of several that is cut off has no closed integral"
            )
            return Refusal(strategy, why, span)
        roles.append((m, Role("function", len(m.sights) - 1)))
    return Posterior("cut_normal", (name,), tuple(roles), cut=cut)


def _single(
    name: str,
    kind: str,
    atoms: Atoms,
    moments: tuple[tuple[Moment, Span], ...],
    strategy: str,
) -> Posterior | Refusal:
    """A latent that is not tied to others: each entry has a posterior of its own."""
    u = sp.Symbol("u", positive=True)
    functions: dict[sp.Expr, list[Moment]] = {}
    for m, _ in moments:
        entries = [a for a in atoms.latents_in(m.expr) if isinstance(a, Elem)]
        if len(entries) != 1:  # u_k u_l
            return _none(name, kind, atoms, moments, strategy)
        functions.setdefault(m.expr.xreplace({atoms.symbol(entries[0]): u}), []).append(m)
    family = _family(kind, set(functions), u)
    if family is None:
        return _none(name, kind, atoms, moments, strategy)
    word, order, power = family
    roles = tuple(
        (m, Role("function", order.index(f))) for f, found in functions.items() for m in found
    )
    return Posterior(word, (name,), roles, power)


def _matrix(
    name: str, atoms: Atoms, moments: tuple[tuple[Moment, Span], ...], strategy: str
) -> Posterior | Refusal:
    """A positive definite matrix: a Wishart of itself or of its inverse."""
    forms: list[type[Elem | LogDetOf | InvOf] | None] = []
    for m, _ in moments:
        atom = atoms.atom(m.expr) if isinstance(m.expr, sp.Symbol) else None
        forms.append(type(atom) if isinstance(atom, Elem | LogDetOf | InvOf) else None)
    matrices = {*forms} - {LogDetOf}
    if matrices not in ({Elem}, {InvOf}):
        return _none(name, "posdef", atoms, moments, strategy)
    roles = tuple(
        (m, Role("function", 0 if form is LogDetOf else 1))
        for (m, _), form in zip(moments, forms, strict=True)
    )
    return Posterior("wishart" if Elem in matrices else "inverse_wishart", (name,), roles)


Family = tuple[str, tuple[sp.Expr, ...], sp.Expr]


def _family(kind: str, functions: set[sp.Expr], u: sp.Symbol) -> Family | None:
    """The family whose functions these are, with their order in it."""
    one = sp.Integer(1)
    if kind == "simplex":
        return ("dirichlet", (sp.log(u),), one) if functions == {sp.log(u)} else None
    if kind == "unit":
        order = (sp.log(u), sp.log(1 - u))
        return ("beta", order, one) if functions <= set(order) else None
    if kind != "positive":
        return None
    powers = sorted(p for p in (_power(f, u) for f in functions - {sp.log(u)}) if p is not None)
    if len(powers) != len(functions - {sp.log(u)}) or not powers:
        return None
    if len(powers) == 1:
        (p,) = powers
        if p == -1:
            return "inverse_gamma", (sp.log(u), 1 / u), one
        return "gamma", (sp.log(u), u**p), p
    if powers == [1, 2] and sp.log(u) not in functions:
        return "positive_normal", (u, u**2), one
    if powers == [-1, 1]:
        return "generalised_inverse_gaussian", (sp.log(u), u, 1 / u), one
    return None


def _power(f: sp.Expr, u: sp.Symbol) -> sp.Expr | None:
    base, power = f.as_base_exp()
    return power if base == u and power.is_Rational else None


def _none(
    name: str,
    kind: str,
    atoms: Atoms,
    moments: tuple[tuple[Moment, Span], ...],
    strategy: str,
) -> Refusal:
    shown = list(dict.fromkeys(written(m.expr, atoms) for m, _ in moments))
    return Refusal(
        strategy,
        f"the log joint as a function of `{name}` is a sum of multiples of {', '.join(shown[:-1])}"
        f"{' and ' * (len(shown) > 1)}{shown[-1]}: no known distribution of {kind} values",
        moments[-1][1],
    )
