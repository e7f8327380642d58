"""A model's own constraints and the `fix` of a fit, with the sizes known: one `Constraints`.

Solves nothing that needs data; finds out what can't hold together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.cells import CellError, read_cells
from emdsl.runtime.constraints import Constraints, Row, Span
from emdsl.runtime.errors import ParamsError, near
from emdsl.runtime.feasible import feasible_point
from emdsl.runtime.gather import cell_text
from emdsl.runtime.params import param_shape
from emdsl.runtime.program import Constraint, Floats, Meta, Param, Params
from emdsl.runtime.supports import violation

_SAME = 1e-12
_TOO_MANY = 1.0 - 1e-12  # what of s_ii s_jj the square of s_ij may be
# Kinds that are fixed as a whole: what each value is, and in more words.
_WHOLE = {
    "orthogonal": ("matrix", "an orthogonal matrix"),
    "shape": ("vector", "a shape"),
}


def resolve(
    meta: Meta, sizes: Mapping[str, int], fix: Mapping[str, Any] | None = None
) -> Constraints | None:
    """All that holds of the parameters under these sizes; None where only their types do.

    fix : for some parameters the value to hold, or an array with NaN where entries are free.

    Raises ParamsError: unknown names, wrong shapes, values outside of a support, entries that a
    size doesn't have, constraints that contradict each other.
    """
    if not meta.constraints and not fix:
        return None
    return _Resolver(meta, sizes, read_fix(meta, sizes, fix)).found()


def unconstrained(meta: Meta, sizes: Mapping[str, int]) -> Constraints:
    """What holds of the parameters where only their types do."""
    return _Resolver(meta, sizes, {}).found()


def read_fix(meta: Meta, sizes: Mapping[str, int], fix: Any) -> Params:
    """What `fix` says, as arrays of the parameters' shapes. Raises ParamsError."""
    if fix is None:
        return {}
    names = [p.name for p in meta.params]
    if not isinstance(fix, Mapping):
        raise ParamsError(f"fix is a {type(fix).__name__}, expected a mapping from names of "
                          f"parameters ({', '.join(names)}) to values")  # fmt: skip
    problems = [
        f"{name!r} in fix is no parameter of {meta.name}, expected {', '.join(names)}"
        f"{near(str(name), names)}"
        for name in fix
        if name not in names
    ]
    out: Params = {}
    for param in meta.params:
        if param.name in fix:
            value = _read(param, fix[param.name], sizes, problems)
            if value is not None:
                out[param.name] = value
    if problems:
        raise ParamsError(problems)
    return out


def _read(param: Param, value: Any, sizes: Mapping[str, int], problems: list[str]) -> Floats | None:
    name = f"{param.name} in fix"
    try:
        found = read_cells(value).values
    except CellError as error:
        problems.append(f"{cell_text(param.name, error.index)} in fix {error.text}")
        return None
    expected = param_shape(param, sizes)
    if found.shape == () and param.kind not in _WHOLE:
        found = np.full(expected, float(found))
    if found.shape != expected:
        dims = ", ".join(map(str, param.dims))
        other = " or one number" if expected and param.kind not in _WHOLE else ""
        problems.append(f"{name} has shape {found.shape}, expected {expected} ({dims}){other}")
        return None
    wrong = _outside(param, found)
    if wrong:
        problems.append(wrong)
        return None
    partly = _not_together(param, found)
    if partly:
        problems.append(partly)
        return None
    if param.kind == "posdef":
        turned = np.swapaxes(found, -1, -2)
        found = np.where(np.isnan(found), turned, found)
        found = np.where(np.isnan(turned), found, 0.5 * (found + turned))
    return np.array(found)


def _outside(param: Param, value: Floats) -> str:
    """What is wrong with fixed values (NaN: free), if anything is."""
    missing = np.isnan(value)
    if param.kind in _WHOLE:
        event = tuple(range(-param.event, 0))
        some = np.asarray(missing.any(axis=event) & ~missing.all(axis=event))
        if some.any():
            at = tuple(int(i) for i in np.argwhere(some)[0])
            one, of = _WHOLE[param.kind]
            return (
                f"{cell_text(param.name, at)} in fix has some entries, expected all of a {one} or "
                f"none: an entry of {of} can't be fixed by itself"
            )
    if param.kind == "simplex" and missing.any():
        wrong = violation(value, "unit")
        if wrong is None:
            total = np.where(missing, 0.0, value).sum(axis=-1)
            whole = ~np.asarray(missing.any(axis=-1))
            over = np.asarray(~whole & (total > 1.0 + _SAME))
            if over.any():
                at = tuple(int(i) for i in np.argwhere(over)[0])
                return (f"{cell_text(param.name, at)} in fix has entries that sum to "
                        f"{total[at]:.6g}, expected at most 1")  # fmt: skip
            wrong = violation(np.where(whole[..., None], value, np.nan), "simplex")
    elif param.kind == "posdef":
        unlike = _not_definite(param, value)
        if unlike:
            return unlike
        wrong = violation(value, param.kind)
    else:
        wrong = violation(value, param.kind)
    if wrong is None:
        return ""
    where = cell_text(param.name, wrong.index)
    return f"{where} in fix is {wrong.found}, expected {wrong.expected}"


def _not_definite(param: Param, value: Floats) -> str:
    """What single fixed entries of a positive definite matrix can't be, of partly fixed ones."""
    partly = np.isnan(value).any(axis=(-1, -2))
    for at in map(tuple, np.argwhere(partly)):
        for i, j in np.argwhere(np.tri(value.shape[-1])):
            one, other = value[(*at, j, i)], value[(*at, i, j)]
            first, second = (cell_text(param.name, (*at, *place)) for place in ((j, i), (i, j)))
            if np.isinf(one) or np.isinf(other):
                name, found = (first, one) if np.isinf(one) else (second, other)
                return f"{name} in fix is {found:.6g}, expected a finite number"
            if i == j and one <= 0.0:
                return (
                    f"{first} in fix is {one:.6g}, expected a positive number: it is on the "
                    "diagonal of a positive definite matrix"
                )
            if abs(one - other) > _SAME * max(abs(one), abs(other)):
                return (
                    f"{first} in fix is {one:.6g}, but {second} is {other:.6g}: the matrix is "
                    "symmetric, give both the same or one of them NaN"
                )
    return ""


def _not_together(param: Param, value: Floats) -> str:
    if param.together is None or not value.size:
        return ""
    missing = np.isnan(value)
    first = np.take(missing, [0], axis=param.together)
    mixed = (missing != first).any(axis=param.together)
    if not mixed.any():
        return ""
    at: list[Any] = [int(i) for i in np.argwhere(mixed)[0]]
    at.insert(param.together, ":")
    shown = f"{param.name}[{', '.join(map(str, at))}]"
    where = ", ".join(map(str, np.argwhere(~missing)[0]))
    return (
        f"{shown} in fix has some entries, but its update takes them all together: fix all of "
        f"them, or write `constrain {param.name}[{where}] == {value[~missing][0]:.6g}` in the model"
    )


class _Resolver:
    """Gathers classes, fixed values, rows and bounds, one constraint at a time."""

    def __init__(self, meta: Meta, sizes: Mapping[str, int], fix: Params) -> None:
        self.meta, self.sizes = meta, sizes
        self.spans: dict[str, Span] = {}
        start = 0
        for p in meta.params:
            shape = param_shape(p, sizes)
            gauge = 0 if p.shift is None else math.prod(shape) // shape[p.shift]
            self.spans[p.name] = Span(p.name, p.kind, shape, p.event, start, gauge)
            start = self.spans[p.name].stop
        self.parent: NDArray[np.intp] = np.arange(start)
        self.fixed = np.full(start, np.nan)
        self.lower, self.upper = np.full(start, -np.inf), np.full(start, np.inf)
        self.rows: list[tuple[dict[int, float], float, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.problems: list[str] = []
        self.said: dict[int, str] = {}
        for name, value in fix.items():
            span = self.spans[name]
            for i in np.flatnonzero(~np.isnan(value.ravel())):
                self._fix(span.start + int(i), float(value.flat[i]), "fix")
            self.texts.setdefault(name, []).append("fix")

    def found(self) -> Constraints:
        self._mirror()
        for constraint in self.meta.constraints:
            for terms in self._entries(constraint):
                self._take(constraint, terms)
        if not self.problems:
            self._close()
        if not self.problems:
            self._verify_support()
        if self.problems:
            raise ParamsError(dict.fromkeys(self.problems))
        classes = np.array([self._root(i) for i in range(len(self.parent))], dtype=np.intp)
        rows = tuple(
            Row(np.array(list(terms), dtype=np.intp), np.array(list(terms.values())), right)
            for terms, right, _ in self.rows
        )
        texts = {n: tuple(dict.fromkeys(t)) for n, t in self.texts.items()}
        constrained = ~np.isnan(self.fixed) | np.isfinite(self.lower) | np.isfinite(self.upper)
        constrained |= np.bincount(classes, minlength=len(classes))[classes] > 1
        for row in rows:
            constrained[row.entries] = True
        for name in texts:
            span = self.spans[name]
            if span.kind in ("positive", "unit"):
                at = slice(span.start, span.stop)
                self.lower[at] = np.maximum(self.lower[at], 0.0)
                self.upper[at] = np.minimum(self.upper[at], 1.0 if span.kind == "unit" else np.inf)
        found = Constraints(
            self.spans, self.fixed, classes, rows, self.lower, self.upper, constrained[classes],
            texts,
        )  # fmt: skip
        self._verify_definite(found)
        self._verify_equations(found)
        return found

    def _verify_equations(self, found: Constraints) -> None:
        """Raises ParamsError where no values within the bounds fulfil the linear equations."""
        names = found.in_equations()
        if not names:
            return
        system = found.system(found.index(names))
        if feasible_point(system.offset, system.matrix, system.lower, system.upper) is None:
            said = dict.fromkeys(_shown(t) for n in names for t in found.texts.get(n, ()))
            raise ParamsError(f"{_listed(said)} contradict each other: no values fulfil them all")

    def _mirror(self) -> None:
        """An entry of a symmetric matrix and its mirror image are one."""
        about = {name for c in self.meta.constraints for name, *_ in c.terms} | self.texts.keys()
        for span in self.spans.values():
            if span.kind == "posdef" and span.name in about:
                flat = np.arange(span.start, span.stop).reshape(span.shape)
                row, column = np.nonzero(np.tri(span.shape[-1], k=-1))
                for one, two in zip(flat[..., column, row].flat, flat[..., row, column].flat,
                                    strict=True):  # fmt: skip
                    self._tie(int(one), int(two), "fix")

    def _verify_definite(self, found: Constraints) -> None:
        """Raises ParamsError where no positive definite matrix has the entries that are held."""
        problems = []
        for name in found.texts:
            if self.spans[name].kind == "posdef":
                problems += [self._without_completion(name, at, found)
                             for at in found.without_completion(name)]  # fmt: skip
        if problems:
            raise ParamsError(problems)

    def _without_completion(self, name: str, at: tuple[int, ...], found: Constraints) -> str:
        value = found.values(name)[at]
        said = " and ".join(_shown(t) for t in found.texts[name])
        for i, j in np.argwhere(np.tri(len(value), k=-1)):
            bound = value[i, i] * value[j, j]
            if value[i, j] ** 2 > _TOO_MANY * bound:
                return (
                    f"no positive definite matrix {cell_text(name, at)} has the entries that "
                    f"{said} give it: [{j}, {i}] is {value[i, j]:.6g}, expected between "
                    f"{-(bound**0.5):.6g} and {bound**0.5:.6g}, the root of [{j}, {j}] times "
                    f"[{i}, {i}]"
                )
        if any(p.limits is not None for p in found.patterns(name)):
            texts = [_shown(t) for t in found.texts[name]]
            return (
                f"no positive definite matrix {cell_text(name, at)} meets {_listed(texts)}: loosen "
                f"or drop {'one of them' if texts[1:] else 'it'}"
            )
        return (
            f"no positive definite matrix {cell_text(name, at)} has the entries that {said} "
            "give it, whatever the others are: leave more of them free"
        )

    # -- one constraint --

    def _entries(self, constraint: Constraint) -> Iterator[dict[int, float]]:
        """The coefficient of each flat entry, of each scalar that the constraint is about."""
        parts = []
        for name, index, coefficient, summed in constraint.terms:
            span = self.spans[name]
            self.texts.setdefault(name, []).append(constraint.text)
            for i, place in enumerate(index):
                if place >= span.shape[i]:
                    dim = self.meta.param(name).dims[i]
                    last = span.shape[i] - 1
                    self.problems.append(
                        f"`{constraint.text}` is about {cell_text(name, index)}, but {dim} = "
                        f"{span.shape[i]}: expected an index from 0 to {last}"
                    )
                    return
            flat = np.arange(span.start, span.stop).reshape(span.shape)[index].ravel()
            parts.append((flat[None, :] if summed else flat[:, None], coefficient))
        size = max(len(flat) for flat, _ in parts)
        for flat, _ in parts:
            if len(flat) not in (1, size):
                shapes = " and ".join(str(len(f)) for f, _ in parts)
                self.problems.append(
                    f"`{constraint.text}` is about {shapes} entries: they must be as many"
                )
                return
        for i in range(size):
            terms: dict[int, float] = {}
            for flat, coefficient in parts:
                for entry in flat[i if len(flat) > 1 else 0]:
                    terms[int(entry)] = terms.get(int(entry), 0.0) + coefficient
            yield {e: c for e, c in terms.items() if c != 0.0}

    def _take(self, constraint: Constraint, terms: dict[int, float]) -> None:
        value, text = constraint.value, constraint.text
        if constraint.relation != "==":
            (entry, c), *_ = terms.items()
            edge = value / c
            upper = (constraint.relation == "<=") == (c > 0.0)
            side = self.upper if upper else self.lower
            side[entry] = min(side[entry], edge) if upper else max(side[entry], edge)
            self.said.setdefault(entry, text)
        elif not terms:
            if value != 0.0:
                self.problems.append(f"`{text}` can't hold, for it says that 0 is {value:g}")
        elif len(terms) == 1:
            (entry, c), *_ = terms.items()
            self._fix(entry, value / c, text)
        elif len(terms) == 2 and value == 0.0 and sum(terms.values()) == 0.0:
            one, two = terms
            self._tie(one, two, text)
        else:
            self.rows.append((terms, value, text))

    def _root(self, entry: int) -> int:
        while self.parent[entry] != entry:
            self.parent[entry] = self.parent[self.parent[entry]]
            entry = int(self.parent[entry])
        return entry

    def _fix(self, entry: int, value: float, text: str) -> None:
        root = self._root(entry)
        old = self.fixed[root]
        if not np.isnan(old) and abs(old - value) > _SAME * max(1.0, abs(old)):
            self.problems.append(
                f"{self._name(entry)} is held at {old:.6g} by {self._who(root)} and at "
                f"{value:.6g} by {_shown(text)}: leave one out"
            )
            return
        self.fixed[root] = value
        self.said[root] = text

    def _tie(self, one: int, two: int, text: str) -> None:
        first, second = sorted((self._root(one), self._root(two)))
        if first == second:
            return
        if not np.isnan(self.fixed[second]):
            self._fix(first, float(self.fixed[second]), self.said.get(second, text))
        self.parent[second] = first
        self.said.setdefault(first, text)

    def _name(self, entry: int) -> str:
        span = next(s for s in self.spans.values() if s.start <= entry < s.stop)
        index = np.unravel_index(entry - span.start, span.shape) if span.shape else ()
        return cell_text(span.name, tuple(int(i) for i in index))

    def _who(self, entry: int) -> str:
        return _shown(self.said.get(entry, "fix"))

    # -- all of them together --

    def _close(self) -> None:
        """Fixed values to the whole class; rows over free classes only, and no more than needed."""
        roots = np.array([self._root(i) for i in range(len(self.parent))], dtype=np.intp)
        self.fixed = self.fixed[roots]
        np.maximum.at(self.lower, roots, self.lower)
        np.minimum.at(self.upper, roots, self.upper)
        self.lower, self.upper = self.lower[roots], self.upper[roots]
        changed = True
        while changed and not self.problems:
            changed = False
            left = []
            for terms, value, text in self.rows:
                right = value
                reduced: dict[int, float] = {}
                for entry, c in terms.items():
                    root = int(roots[entry])
                    if np.isnan(self.fixed[root]):
                        reduced[root] = reduced.get(root, 0.0) + c
                    else:
                        right -= c * float(self.fixed[root])
                reduced = {e: c for e, c in reduced.items() if abs(c) > 1e-14}
                if len(reduced) > 1:
                    left.append((reduced, right, text))
                elif reduced:
                    (entry, c), *_ = reduced.items()
                    self.fixed[roots == entry] = right / c
                    self.said[entry] = text
                    changed = True
                elif abs(right) > 1e-9 * max(1.0, *(abs(c) for c in terms.values())):
                    self.problems.append(
                        f"`{text}` contradicts the other constraints: by them it is off by "
                        f"{abs(right):.6g}"
                    )
            self.rows = left
        if self.rows and not self.problems:
            self._verify_rows()

    def _verify_rows(self) -> None:
        entries = sorted({e for terms, _, _ in self.rows for e in terms})
        a = np.array([[terms.get(e, 0.0) for e in entries] for terms, _, _ in self.rows])
        right = np.array([r for _, r, _ in self.rows])
        best = np.linalg.lstsq(a, right, rcond=None)[0]
        off = np.abs(a @ best - right)
        if off.max() > 1e-9 * max(1.0, float(np.abs(right).max())):
            texts = ", ".join(f"`{t}`" for _, _, t in self.rows)
            self.problems.append(f"{texts} contradict each other: no values fulfil them all")

    def _verify_support(self) -> None:
        for entry in np.flatnonzero(self.lower > self.upper)[:1]:
            name = self._name(int(entry))
            said = self.texts.get(name.partition("[")[0], ())
            self.problems.append(
                f"{name} has bounds {self.lower[entry]:.6g} and {self.upper[entry]:.6g}, which "
                f"leave it no value: it is in {_listed(dict.fromkeys(map(_shown, said)))}"
            )
        beyond = (self.fixed < self.lower) | (self.fixed > self.upper)
        for entry in np.flatnonzero(beyond)[:1]:
            self.problems.append(
                f"{self._name(int(entry))} is held at {self.fixed[entry]:.6g}, which is outside of "
                f"its bounds {self.lower[entry]:.6g} and {self.upper[entry]:.6g}"
            )
        for param in self.meta.params:
            if param.name not in self.texts:
                continue
            span = self.spans[param.name]
            value = self.fixed[span.start : span.stop].reshape(span.shape)
            wrong = _outside(param, value)
            if wrong:
                self.problems.append(wrong.replace(" in fix", "", 1))
            elif param.kind == "simplex":
                self._verify_rows_of_shares(span, value)

    def _verify_rows_of_shares(self, span: Span, value: Floats) -> None:
        """Whether rows within the bounds can sum to 1; where in one way only, they are held there.

        value : the fixed values, NaN where free; it is written to.
        """
        held, at = ~np.isnan(value), slice(span.start, span.stop)
        low = np.maximum(self.lower[at].reshape(span.shape), 0.0)
        high = np.minimum(self.upper[at].reshape(span.shape), 1.0)
        low, high = np.where(held, value, low), np.where(held, value, high)
        least, most = (side.sum(axis=-1, keepdims=True) for side in (low, high))
        free = ~held.all(axis=-1, keepdims=True)  # others may be off by as much as printed digits
        for row in np.argwhere(free & ((least > 1.0 + _SAME) | (most < 1.0 - _SAME)))[:1]:
            above = least[tuple(row)] > 1.0
            total = (least if above else most)[tuple(row)]
            way = "make lower bounds smaller" if above else "make upper bounds larger"
            beside = {c.text for c in self.meta.constraints
                      if c.relation == ("<=" if above else ">=")}  # fmt: skip
            texts = [t for t in self.texts[span.name] if t not in beside]
            said = dict.fromkeys(map(_shown, texts))
            self.problems.append(
                f"the entries of {cell_text(span.name, tuple(map(int, row[:-1])))} sum to "
                f"{total:.6g} at {'least' if above else 'most'} by {_listed(said)}, expected 1: "
                f"{way}"
            )
        for side, pinned in ((low, least >= 1.0 - _SAME), (high, most <= 1.0 + _SAME)):
            np.copyto(value, side, where=~held & (pinned | (low == high)))


def _listed(texts: Iterable[str]) -> str:
    """`a`, `b` and `c`."""
    every = list(texts)
    return " and ".join([", ".join(every[:-1]), every[-1]] if every[1:] else every)


def _shown(text: str) -> str:
    return "`fix`" if text == "fix" else f"`{text}`"
