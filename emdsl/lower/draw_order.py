"""Which variables are drawn together, step by step, because they depend on each other's past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emdsl.model import graph as g
from emdsl.model.check import Guards, references
from emdsl.model.lags import lag_of
from emdsl.model.order import topological


@dataclass(frozen=True, slots=True)
class Parent:
    """A reference up a tree, `z[parent[t]]`, in the distribution of `owner`, and its guards."""

    owner: str
    ref: g.Ref
    guards: Guards


@dataclass(frozen=True, slots=True)
class Group:
    """Variables in file order. `times` are the axes they walk along, `parents` the steps up trees.

    Both empty: a variable that depends on nothing of its own. `why` says what stands in the way.
    """

    variables: tuple[g.Variable, ...]
    times: tuple[str, ...] = ()
    parents: tuple[Parent, ...] = ()
    why: str = ""


def in_rows(model: g.Model) -> bool:
    """Whether rows have to be told apart: ragged plates, lags, or variables of their own past."""
    for v in model.variables:
        if any(isinstance(model.plate(a).extent, g.Ragged) for a in v.plates):
            return True
        for ref, _ in drawn_from(v):
            if any(lag_of(i) is not None for i in ref.indices):
                return True
    return any(group.parents or group.why for group in groups(model))


def drawn_from(v: g.Variable) -> Iterator[tuple[g.Ref, Guards]]:
    """The references in a variable's distribution, and the tests on the way to them."""
    if v.dist is not None:
        yield from references(v.dist)


def groups(model: g.Model) -> tuple[Group, ...]:
    """The variables in an order to draw them in, those in a circle of dependences together."""
    variables = {v.name: v for v in model.variables if v.role in ("latent", "data")}
    uses: dict[str, list[str]] = {n: [] for n in variables}
    users: dict[str, list[str]] = {n: [] for n in variables}
    for name, v in variables.items():
        for ref, _ in drawn_from(v):
            if ref.name in variables and ref.name not in uses[name]:
                uses[name].append(ref.name)
                users[ref.name].append(name)
    found = []
    for names in reversed(_circles(uses, users)):
        together = tuple(v for n, v in variables.items() if n in names)
        alone = len(names) == 1 and not {*names} & {*uses[together[0].name]}
        found.append(Group(together) if alone else _walk(together))
    return tuple(found)


def _circles(uses: Mapping[str, list[str]], users: Mapping[str, list[str]]) -> list[set[str]]:
    """The strongly connected components, each before those it uses (Kosaraju's algorithm)."""
    found: list[set[str]] = []
    taken: set[str] = set()
    for start in reversed(topological(tuple(uses), uses).order):
        waiting, component = [start], set()
        while waiting:
            name = waiting.pop()
            if name not in taken:
                taken.add(name)
                component.add(name)
                waiting += users[name]
        if component:
            found.append(component)
    return found


def _walk(together: tuple[g.Variable, ...]) -> Group:
    """Along which axes every reference within a group leads to an earlier step."""
    names = [v.name for v in together]
    inner = [(v, r, guards) for v in together for r, guards in drawn_from(v) if r.name in names]
    plates = {v.name: v.plates for v in together}
    times: dict[str, None] = {}
    parents: list[Parent] = []
    for v, ref, guards in inner:
        lags = [found for i in ref.indices if (found := lag_of(i)) is not None]
        times.update(dict.fromkeys(axis for axis, _ in lags))
        drawn_before = names.index(ref.name) < names.index(v.name)
        if not lags and not drawn_before:
            parents.append(Parent(v.name, ref, guards))
    for v, ref, _ in inner:
        for index, axis in zip(ref.indices, plates[ref.name], strict=False):
            here = isinstance(index, g.AxisRef) and index.axis == axis
            lag = lag_of(index)
            if axis in times and not here and (lag is None or lag[0] != axis):
                return Group(together, why=f"`{v.name}` refers to `{ref.name}` at another `{axis}`")
        if not {*times} <= {*v.plates}:
            return Group(together, why=f"`{v.name}` has no index along which its past lies")
    for parent in parents:
        if {plates[parent.ref.name], plates[parent.owner]} != {plates[parents[0].owner]}:
            why = f"`{parent.owner}` refers to `{parent.ref.name}`, which is drawn after it"
            return Group(together, why=why)
    return Group(together, tuple(times), tuple(parents))
