"""Latents whose entries have a posterior each that isn't normal: gamma, beta and their like."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from emdsl.derive.atoms import Ix
from emdsl.derive.cuts import Cut
from emdsl.report.bundle import Account
from emdsl.report.naturals import Natural, Summand, natural, summands
from emdsl.report.partition import Family, Parameter, family
from emdsl.report.printer import PRODUCT
from emdsl.report.style import Math


def write_single(account: Account) -> None:
    """What the log joint is of the latent, which family that is, its log integral and means."""
    a, p, page = account, account.p, account.page
    kind = family(a.posterior.family, a.posterior.power)
    first = a.functions[0][0]
    axes = a.fresh(first.axes)
    element = Math(p.element(a.posterior.latents[0]))
    page.say(
        "As a function of ", element, *a.given(), " the log joint is a sum of ",
        *a.shown_functions(), " times what is free of it. Log densities of this form, with"
        f" {kind.functions}, are those of the {kind.word} distribution ({kind.source}):",
    )  # fmt: skip
    known = [_natural(a, q, axes) for q in kind.parameters]
    spelled = [
        a.entry(a.name(*q.letters), [k], axes) for q, k in zip(kind.parameters, known, strict=True)
    ]
    for left, k in zip(spelled, known, strict=True):
        page.formula(left, k.show(p, a.links))
    if a.posterior.cut is not None:
        _write_cut(a, a.posterior.cut, str(element), axes)
    symbols = a.symbols(spelled)
    over = p.style.sum([p.index(x) for x in axes]) + " " if axes else ""
    value = over + p.show(kind.partition(p, tuple(symbols)), PRODUCT if over else 0)
    if kind.rest is not None:
        twins = a.fresh(axes)
        total = p.style.sum([p.index(x) for x in twins])
        entry = a.entry(a.name(*kind.parameters[0].letters), [known[0]], twins)
        symbols += a.symbols([f"{total} {entry}"])
        value += f" {p.style.minus} {p.show(-kind.rest(symbols[-1]), PRODUCT)}"
    exponent = over + p.show(_log_joint(a, kind, symbols, axes), PRODUCT if over else 0)
    a.write_message(exponent, str(element), value)
    page.say("Its derivatives are the posterior expectations that the statistics are made of:")
    means = kind.means(p, tuple(symbols))
    for number, function in _functions(a, axes).items():
        page.formula(a.expected(p.show(function)), p.show(means[number]))
    if kind.where:
        page.say(kind.where)


def _write_cut(a: Account, cut: Cut, element: str, axes: tuple[str, ...]) -> None:
    """In which rows the latent is where."""
    p, own = a.p, cut.at(axes, a.joint.atoms)
    a.page.say("Data leave it possible only between the ends low and high,")
    for s in own.stretches:
        ends = [
            *(f"{p.show(e)} {p.style.relation('lt')} " for e in s.lower),
            element,
            *(f" {p.style.relation('lt')} {p.show(e)}" for e in s.upper),
        ]
        where = (
            "" if s.condition == sp.true else f" {p.style.word('where')} {p.condition(s.condition)}"
        )
        a.page.formula("", "".join(ends) + where)


def _functions(a: Account, axes: tuple[str, ...]) -> dict[int, sp.Expr]:
    """The latent's functions by their number in the family, at these axes."""
    out: dict[int, sp.Expr] = {}
    for moment, role, _ in a.functions:
        names: dict[str, Ix] = dict(zip(moment.axes, axes, strict=True))
        out[role.first] = a.at_home(a.joint.atoms.rename(moment.expr, names))
    return dict(sorted(out.items()))


def _natural(a: Account, q: Parameter, axes: tuple[str, ...]) -> Natural:
    parts: list[tuple[str, Summand]] = []
    for moment, role, cluster in a.functions:
        if role.first == q.function:
            names: dict[str, Ix] = dict(zip(moment.axes, axes, strict=True))
            parts += [
                (cluster.source, x.renamed(names, a.joint.atoms).times(q.number))
                for x in summands(cluster, a.joint.atoms)
            ]
    constant = [Summand(frozenset(), q.first * q.number)] if q.first else []
    return natural(parts, constant)


def _log_joint(
    a: Account, kind: Family, symbols: Sequence[sp.Symbol], axes: tuple[str, ...]
) -> sp.Expr:
    """(α - 1) log u - β u"""
    functions = _functions(a, axes)
    return sp.Add(*(
        (s / q.number - q.first) * functions[q.function]
        for q, s in zip(kind.parameters, symbols, strict=False) if q.function in functions
    ))  # fmt: skip
