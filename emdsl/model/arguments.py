"""A distribution's arguments: which of the call's values is which of the family's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sympy import Expr as SymPy

from emdsl import diagnoses
from emdsl.families.family import Alternative, Family, Parameter
from emdsl.model import graph as g
from emdsl.model.kinds import Kind
from emdsl.model.table import Table
from emdsl.syntax import ast


@dataclass(frozen=True, slots=True)
class Signature:
    """What building needs to know of a family, or of a density of the file's own."""

    name: str
    kind: Kind
    parameters: tuple[Parameter, ...]
    event: int = 0
    alternatives: tuple[Alternative, ...] = ()
    values: SymPy | None = None
    bounded: bool = False  # the support depends on the parameters

    def usage(self) -> str:
        """How it is written: `Normal(mean, sd)`."""
        return f"{self.name}({', '.join(p.name for p in self.parameters)})"


def of_family(family: Family) -> Signature:
    return Signature(
        family.name,
        family.kind,
        family.parameters,
        family.event,
        family.alternatives,
        family.values,
        family.condition is not None,
    )


def of_density(density: g.Density) -> Signature:
    parameters = tuple(Parameter(name, type_.kind) for name, type_ in density.parameters)
    return Signature(density.name, density.variable[1].kind, parameters)


def match_arguments(
    call: ast.Call, signature: Signature, table: Table
) -> list[tuple[Parameter, ast.Expr | None]] | None:
    """Each parameter with its value, in the family's order; None stands for its default.

    `Normal(m, var = v)` ⇒ mean: m, var: v.
    """
    given = _given(call, signature, table)
    if given is None:
        return None
    chosen = _choose(given, signature)
    if not _verify_no_conflict(given, chosen, signature, table):
        return None
    slots: list[tuple[Parameter, ast.Expr | None]] = []
    missing: list[str] = []
    for parameter in _parameters(chosen, signature):
        if parameter.name in given:
            slots.append((parameter, given[parameter.name]))
        elif parameter.default is not None:
            slots.append((parameter, None))
        else:
            missing.append(parameter.name)
    if missing:
        usage = signature.usage()
        table.report(diagnoses.missing_argument(call.span, signature.name, missing, usage))
        return None
    return slots


def _given(call: ast.Call, signature: Signature, table: Table) -> Mapping[str, ast.Expr] | None:
    """The values by name, positional ones first; every misfit is reported."""
    name, own = signature.name, signature.parameters
    fine = True
    if len(call.args) > len(own):
        usage, found = signature.usage(), len(call.args)
        table.report(diagnoses.too_many_arguments(call.span, name, found, len(own), usage))
        fine = False
    given = {p.name: value for p, value in zip(own, call.args, strict=False)}
    known = [p.name for p in own]
    known += [p.name for a in signature.alternatives for p in a.parameters if p.name not in known]
    for keyword in call.keywords:
        word = keyword.name.id
        if word not in known:
            near = table.near(word, known)
            table.report(diagnoses.unknown_argument(keyword.name.span, name, word, near, known))
            fine = False
        elif word in given:
            first = given[word].span
            table.report(diagnoses.repeated_argument(keyword.name.span, name, word, first))
            fine = False
        else:
            given[word] = keyword.value
    return given if fine else None


def _choose(given: Mapping[str, ast.Expr], signature: Signature) -> list[Alternative]:
    """The alternatives that the given names ask for: the one that takes most of them, then on."""
    own = {p.name for p in signature.parameters}
    left = [name for name in given if name not in own]
    chosen: list[Alternative] = []
    while left:
        best = max(signature.alternatives, key=lambda a: sum(p.name in left for p in a.parameters))
        names = {p.name for p in best.parameters}
        chosen.append(best)
        left = [name for name in left if name not in names]
    replaced = {name for a in chosen for name in a.replaces}
    # One without parameters says what its left-out argument is.
    taken = replaced | given.keys()
    silent = [a for a in signature.alternatives if not a.parameters]
    return chosen + [a for a in silent if taken.isdisjoint(a.replaces)]


def _verify_no_conflict(
    given: Mapping[str, ast.Expr], chosen: list[Alternative], signature: Signature, table: Table
) -> bool:
    """No parameter is given twice over, under its own name and another."""
    by: dict[str, str] = {}
    for alternative in chosen:
        written = next((p.name for p in alternative.parameters if p.name in given), "")
        own = {p.name for p in alternative.parameters}
        for replaced in alternative.replaces:
            other = by.get(replaced, replaced if replaced in given and replaced not in own else "")
            if other:
                late, early = sorted((written, other), key=lambda n: given[n].span, reverse=True)
                span, first = given[late].span, given[early].span
                table.report(
                    diagnoses.conflicting_arguments(span, signature.name, late, early, first)
                )
                return False
            by[replaced] = written
    return True


def _parameters(chosen: list[Alternative], signature: Signature) -> list[Parameter]:
    """The family's parameters, each alternative's in place of the first that it replaces."""
    result: list[Parameter] = []
    done: set[int] = set()
    for parameter in signature.parameters:
        instead = next((a for a in chosen if parameter.name in a.replaces), None)
        if instead is None:
            result.append(parameter)
        elif id(instead) not in done:
            done.add(id(instead))
            result.extend(instead.parameters)
    return result
