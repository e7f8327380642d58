"""Sums over rows of data and parameters together, weighted with the posterior of their latents."""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from emdsl.derive.atoms import Weight
from emdsl.derive.live import Live
from emdsl.derive.mstep.share import RowPart
from emdsl.report.joint import level_at, row_sum
from emdsl.report.printer import FACTOR, PRODUCT, Printer
from emdsl.report.style import Math
from emdsl.report.tidy import plain_logs


def row_part(p: Printer, part: RowPart) -> tuple[bool, str]:
    """Whether a sum is subtracted; Σ_n P(z_n = k | data) [x_n seen] f(x_n, k)."""
    atoms = p.joint.atoms
    weights = [s for s in part.expr.free_symbols if isinstance(atoms.atom(s), Weight)]
    body = part.expr.xreplace(dict.fromkeys(weights, sp.Integer(1)))
    negative = bool(body.could_extract_minus_sign())
    number, body = (-body if negative else body).as_coeff_Mul()
    p.level = level_at(part.plate)
    head = "" if number == 1 else f"{p.show(number, FACTOR)} "
    head += row_sum(p, p.joint, part.plate)
    if part.axes:
        head += p.style.sum([p.index(a) for a in sorted(part.axes)]) + " "
    if part.latents:
        (weight,) = weights
        atom = atoms.atom(weight)
        assert isinstance(atom, Weight)
        head += posterior(p, part.latents, [p.index(ix) for ix in atom.idx[:-1]]) + " "
    return negative, head + p.show(body, PRODUCT)


def with_rows(p: Printer, first: str, rows: Iterable[RowPart]) -> str:
    """A formula and sums over rows, added up."""
    out = first
    for part in rows:
        negative, text = row_part(p, part)
        if out:
            out += f" {p.style.minus if negative else '+'} {text}"
        else:
            out = p.style.minus + text if negative else text
    return out or "0"


def posterior(p: Printer, latents: tuple[str, ...], values: list[str]) -> str:
    """P(z_n = k | data) of the latents with these axes."""
    shown = ", ".join(
        f"{p.latent(a)} {p.style.equals} {v}" for a, v in zip(latents, values, strict=True)
    )
    given = " | " if p.inline else r" \mid "
    return p.style.function("P", f"{shown}{given}{p.style.word('data')}", bare=False)


def live_formula(p: Printer, term: Live) -> Math:
    """A live term summed over its rows, its latents as themselves; `p` shows elements."""
    p.level = level_at(term.plate)
    expr = plain_logs(term.expr)
    negative = bool(expr.could_extract_minus_sign())
    head = row_sum(p, p.joint, term.plate)
    if term.sums:
        head += p.style.sum([p.index(a) for a in term.sums]) + " "
    body = p.show(-expr if negative else expr, PRODUCT)
    return Math((p.style.minus if negative else "") + head + body)
