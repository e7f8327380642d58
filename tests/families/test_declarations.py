"""What every declaration in FAMILIES keeps to."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest
import sympy as sp

from emdsl.families import FAMILIES
from emdsl.families.family import Family, symbol
from emdsl.families.vocabulary import LogRising, Total
from emdsl.model.kinds import DISCRETE
from emdsl.runtime import sampling
from tests.families.oracles import SCALAR, STRUCTURED

DOCS = Path(__file__).parents[2] / "docs" / "families.md"
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.name)


def test_a_family_has_no_place_for_an_update() -> None:
    """Densities, distribution functions, and ways of writing the same: no rule of estimation."""
    assert {f.name for f in dataclasses.fields(Family)} == {
        "name", "doc", "variable", "kind", "parameters", "log_density", "event", "alternatives",
        "condition", "sampler", "values", "log_cdf", "log_survival", "apart", "representations",
    }  # fmt: skip


def test_names_are_the_keys_and_every_family_has_an_oracle() -> None:
    assert [f.name for f in FAMILIES.values()] == list(FAMILIES)
    assert sorted(FAMILIES) == list(FAMILIES)
    assert set(FAMILIES) == set(SCALAR) | set(STRUCTURED)


@every_family
def test_argument_names_are_unambiguous(family: Family) -> None:
    canonical = [p.name for p in family.parameters]
    written = [canonical]
    for a in family.alternatives:
        new = [q.name for q in a.parameters]
        assert not {*new} & {*canonical}
        assert {*a.replaces} <= {*canonical}
        written.append([n for n in canonical if n not in a.replaces] + new)
    names = [frozenset(w) for w in written]
    assert all(len(w) == len(n) for w, n in zip(written, names, strict=True))
    assert len({*names}) == len(names)
    assert family.variable.name not in {n for w in written for n in w}
    for w, a in zip(written, (None, *family.alternatives), strict=True):
        assert family.alternative(w) is a


def test_an_incomplete_set_of_arguments_is_no_alternative() -> None:
    with pytest.raises(KeyError, match="Normal has no arguments mean"):
        FAMILIES["Normal"].alternative(["mean"])
    with pytest.raises(KeyError):
        FAMILIES["Normal"].symbol("variance")


@every_family
def test_expressions_are_in_the_declared_symbols(family: Family) -> None:
    symbols = {p.symbol for p in family.parameters}
    assert symbols == {family.symbol(p.name) for p in family.parameters}
    assert family.log_density.free_symbols <= symbols | {family.variable}
    if family.condition is not None:
        assert family.condition.free_symbols <= symbols | {family.variable}
    if family.values is not None:
        assert family.values.free_symbols <= symbols
    for a in family.alternatives:
        new = {q.symbol for q in a.parameters}
        kept = {p.symbol for p in family.parameters if p.name not in a.replaces}
        unwritten = len(a.replaces) > len(a.parameters)  # read off the variate
        for _, e in a.canonical:
            assert e.free_symbols <= new | kept | ({family.variable} if unwritten else set())
        density = family.log_density_in([s.name for s in kept | new])
        assert density.free_symbols <= kept | new | {family.variable}


@pytest.mark.parametrize(
    ("kind", "positive", "nonnegative"),
    [
        ("real", None, None), ("int", None, None), ("posdef", None, None), ("ordered", None, None),
        ("positive", True, True), ("unit", True, True), ("simplex", True, True),
        ("count", None, True), ("bool", None, True), ("category", None, True),
        ("index", None, True),
    ],
)  # fmt: skip
def test_a_symbol_knows_what_its_kind_allows(kind, positive, nonnegative) -> None:
    s = symbol("s", kind)
    assert (s.is_real, s.is_positive, s.is_nonnegative) == (
        True if kind not in DISCRETE - {"int"} else s.is_real, positive, nonnegative
    )  # fmt: skip


@every_family
def test_symbols_are_of_their_kind(family: Family) -> None:
    assert family.variable == symbol(family.variable.name, family.kind)
    for p in family.parameters:
        assert p.symbol == symbol(p.name, p.kind)


@every_family
def test_log_gammas_stay_whole(family: Family) -> None:
    """SymPy rewrites loggamma(x + 1) as log(gamma(x + 1)) for integer symbols: it overflows."""
    e = sp.expand(sp.expand_log(family.log_density, force=True))
    assert not e.has(sp.gamma)


@every_family
def test_the_sampler_takes_the_canonical_arguments(family: Family) -> None:
    assert family.sampler is not None
    signature = inspect.signature(getattr(sampling, family.sampler))
    assert list(signature.parameters) == ["rng", *(p.name for p in family.parameters), "size"]


# What keeps a family from splitting into (a function of x) x (a function of the parameters).
INSEPARABLE = {
    "BetaBinomial": {LogRising, sp.loggamma},  # of n - x: n is known
    "Binomial": {sp.loggamma},  # of n - x: n is known
    "Cauchy": {sp.log},
    "GeneralizedNormal": {sp.Pow},
    "Gumbel": {sp.exp},
    "Laplace": {sp.Abs},
    "LogLogistic": {sp.log},
    "Logistic": {sp.log},
    "NegativeBinomial": {LogRising},
    "StudentT": {sp.log},
    "Weibull": {sp.Pow},
}


@pytest.mark.parametrize("name", sorted({*SCALAR} - {"Delta"}))
def test_expanding_separates_the_variate_from_the_parameters(name: str) -> None:
    family = FAMILIES[name]
    e = sp.expand(sp.expand_trig(sp.expand_log(family.log_density, force=True)))
    left = set()
    for term in sp.Add.make_args(e):
        _, of_x = term.as_independent(family.variable, as_Add=False)
        for factor in sp.Mul.make_args(of_x):
            if factor.free_symbols - {family.variable}:
                left.add(factor.func)
    assert left == INSEPARABLE.get(name, set())


@pytest.mark.parametrize("name", ["Bernoulli", "Binomial", "Geometric", "NegativeBinomial"])
def test_alternatives_hide_no_probability(name: str) -> None:
    """log(1 - p) with p = 1/(1 + exp(-logit)) would lose every digit at logit = 40."""
    family = FAMILIES[name]
    for a in family.alternatives:
        kept = {p.name for p in family.parameters} - {*a.replaces}
        e = family.log_density_in(kept | {q.name for q in a.parameters})
        assert not any(part.is_negative for part in _log_arguments(e))


def _log_arguments(e: sp.Expr) -> list[sp.Expr]:
    return [term for log in e.atoms(sp.log) for term in sp.Add.make_args(log.args[0])]


def test_a_multinomial_without_n_reads_it_off_the_counts() -> None:
    family = FAMILIES["Multinomial"]
    e = family.log_density_in(["p"])
    assert e.has(sp.loggamma(Total(family.variable) + 1))


def test_the_docs_list_every_family_with_its_arguments() -> None:
    tables = DOCS.read_text(encoding="utf-8").split("\n\n")
    listing = [
        t for t in tables if t.startswith("| written ")
    ]  # not that of distribution functions
    rows = [line for t in listing for line in t.splitlines() if line.startswith("| `")]
    shown = {row.split("`")[1]: row for row in rows}
    for family in FAMILIES.values():
        head = f"{family.name}({', '.join(p.name for p in family.parameters)})"
        assert head in shown
        alternatives = shown[head].split("|")[2]
        for a in family.alternatives:
            assert (
                f"`{', '.join(q.name for q in a.parameters)}`" in alternatives or not a.parameters
            )
    assert len(rows) == len(shown) == len(FAMILIES)
