"""Positive definite matrices: the degrees of freedom and the matrix that rows give a Wishart.

log joint = (n - (D + 1) / 2) log det U - tr(Λ U) + ...,   U ~ Wishart(2 n, (2 Λ)⁻¹)

(Muirhead 1982, theorem 2.1.11); of an inverse Wishart in U⁻¹, whose density gains |U|^(D + 1).
"""

from __future__ import annotations

import sympy as sp

from emdsl.derive.atoms import Ix, Value
from emdsl.report.bundle import Account
from emdsl.report.naturals import Natural, Summand, natural, summands
from emdsl.report.printer import PRODUCT
from emdsl.report.style import Math


def write_matrix(account: Account) -> None:
    """What the log joint is of the latent, which distribution that is, its log integral, means."""
    a, p, page, atoms = account, account.p, account.page, account.joint.atoms
    inverse = a.posterior.family == "inverse_wishart"
    entries = next(m for m, role, _ in a.functions if role.first == 1)
    axes = a.fresh(entries.axes)
    (place,) = a.fresh(axes[:1])
    order = atoms.size_of(axes[0])
    element = p.element(a.posterior.latents[0])
    word = "inverse Wishart" if inverse else "Wishart"
    page.say(
        "As a function of ", Math(element), *a.given(), " the log joint is a sum of ",
        *a.shown_functions(), " times what is free of it. Log densities of this form are those of "
        f"the {word} distribution (Muirhead 1982, theorem 2.1.11), with half the degrees of "
        "freedom and the matrix",
    )  # fmt: skip
    freedom = _natural(a, 0, (), -1 if inverse else 1, (order + 1) / 2 * (-1 if inverse else 1))
    matrix = _natural(a, 1, axes, -1)
    number, letter = a.name("h", "n", "half"), a.name("Λ", "P", "rate")
    half_spelled = a.entry(number, [freedom], ())
    whole, entry = (a.entry(letter, [matrix], at) for at in ((), axes))
    page.formula(half_spelled, freedom.show(p, a.links))
    page.formula(entry, matrix.show(p, a.links))
    half, cell, shown = a.symbols(
        [half_spelled, entry, a.at_latent(entries.expr, dict(zip(entries.axes, axes, strict=True)))]
    )
    det_u, det_rate = a.symbols(
        [p.style.function("log det", x, bare=True) for x in (element, whole)]
    )
    power = half - (order + 1) / 2 if not inverse else -half - (order + 1) / 2
    both = p.style.sum([p.index(x) for x in axes]) + " " + p.show(cell * shown, PRODUCT)
    exponent = f"{p.show(power * det_u)} {p.style.minus} {both}"
    order_gamma = p.style.element(p.style.name("Γ"), p.show(order))
    gamma = p.style.function("log", f"{order_gamma}({p.show(half)})", bare=True)
    value = f"{gamma} {p.style.minus} {p.show(half * det_rate, PRODUCT)}"
    a.write_message(exponent, element, value)
    page.say("Its derivatives are the posterior expectations that the statistics are made of:")
    digammas = (
        p.style.sum([p.index(place)])
        + " "
        + p.show(sp.polygamma(0, half - atoms.symbol(Value(place)) / 2), PRODUCT)
    )
    if inverse:
        slope = f"{p.show(det_rate)} {p.style.minus} {digammas}"
    else:
        slope = f"{digammas} {p.style.minus} {p.show(det_rate)}"
    page.formula(a.expected(p.show(det_u)), slope)
    rate_inverse = p.style.at(p.style.inverse(whole), [p.index(x) for x in axes])
    (inner,) = a.symbols([rate_inverse])
    page.formula(a.expected(p.show(shown)), p.show(half * inner, PRODUCT))
    page.say(
        Math(order_gamma), " is the multivariate gamma function of that "
        "order; ", Math(p.index(place)), " counts from 0.",
    )  # fmt: skip


def _natural(
    a: Account, function: int, axes: tuple[str, ...], sign: int, constant: sp.Expr = sp.S.Zero
) -> Natural:
    """What a function of the latent is multiplied by, times the sign, plus a constant."""
    parts: list[tuple[str, Summand]] = []
    for moment, role, cluster in a.functions:
        if role.first == function:
            names: dict[str, Ix] = dict(zip(moment.axes, axes, strict=True))
            parts += [
                (cluster.source, x.renamed(names, a.joint.atoms).times(sp.Integer(sign)))
                for x in summands(cluster, a.joint.atoms)
            ]
    return natural(parts, [Summand(frozenset(), constant)] if constant else [])
