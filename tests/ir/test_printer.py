"""Every expression the printer writes has the value that the interpreter gives it."""

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy import special

from emdsl.backends.numpy import Printer
from emdsl.ir import interpret
from emdsl.ir.nodes import (
    Array,
    Axis,
    Contract,
    Expr,
    Gather,
    Kernel,
    Lit,
    Map,
    Range,
    Whole,
    axes_of,
)
from emdsl.runtime import numerics as nm

SIZES = {"I": 2, "J": 3, "K": 2}
I, J, K, L = Axis("i", "I"), Axis("j", "J"), Axis("k", "K"), Axis("i_1", 4)  # noqa: E741 # the axis
AXES = (I, J, K, L)


def length(axis: Axis) -> int:
    return SIZES[axis.dim] if isinstance(axis.dim, str) else axis.dim


def arrays(axes: tuple[Axis, ...], name: str) -> np.ndarray[Any, Any]:
    """Positive entries that depend on the name alone."""
    rng = np.random.default_rng(sum(map(ord, name)))
    return rng.uniform(0.3, 1.7, [length(a) for a in axes])


def environment(expr: Whole) -> dict[str, Any]:
    """A value for every name in an expression."""
    env: dict[str, Any] = dict(SIZES)

    def visit(e: object) -> None:
        match e:
            case Array(name=name, axes=axes):
                env[name] = arrays(axes, name)
            case Gather(name=name, places=where):
                dims = [length(p) if isinstance(p, Axis) else 3 for p in where]
                rng = np.random.default_rng(sum(map(ord, name)))
                env[name] = rng.uniform(0.3, 1.7, dims)
                for p in where:
                    if isinstance(p, Array):
                        shape = [length(a) for a in p.axes]
                        env[p.name] = rng.integers(0, 3, shape)
                    elif not isinstance(p, Axis):
                        visit(p)
            case Map(args=args) | Contract(args=args):
                for a in args:
                    visit(a)
            case Kernel(args=args):
                for a in args:
                    visit(a)
            case Whole(value=inner):
                visit(inner)

    visit(expr)
    return env


KERNELS = {
    "inverse": nm.inverse,
    "normalize_counts": lambda counts: counts / counts.sum(axis=-1, keepdims=True),
    "multigammaln": special.multigammaln,
}


def check(w: Whole) -> None:
    env = environment(w)
    code = Printer().whole(w)
    scope = {"np": np, "nm": nm, "special": special, **env}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        printed = np.asarray(eval(code, scope), dtype=float)
    expected = interpret.whole(w, env, KERNELS)
    own = axes_of(w.value)
    if not w.full:  # an axis the expression lacks is left out, or of length one
        assert printed.ndim <= expected.ndim, code
        printed = printed.reshape(printed.shape if own else (), order="C")
        padded = (1,) * (expected.ndim - printed.ndim) + printed.shape
        assert padded == expected.shape, code
        printed = printed.reshape(expected.shape)
    assert printed.shape == expected.shape, code
    np.testing.assert_allclose(printed, expected, rtol=1e-10, atol=1e-12, err_msg=code)


# --- random expressions ----------------------------------------------------------------------

some_axes = st.lists(st.sampled_from(AXES), max_size=3).map(tuple)
distinct_axes = st.lists(st.sampled_from(AXES), max_size=3, unique=True).map(tuple)
names = st.sampled_from("abcde")


def array_name(name: str, axes: tuple[Axis, ...]) -> str:
    return "_".join([name, *(a.name for a in axes)])


@st.composite
def leaves(draw: st.DrawFn) -> Expr:
    match draw(st.sampled_from(["lit", "array", "array", "array", "range", "gather"])):
        case "lit":
            return Lit(draw(st.sampled_from([2, -1, 0.5, -1.5, 3, 1])))
        case "range":
            return Range(draw(st.sampled_from(AXES)))
        case "gather":
            return draw(gathers())
        case _:
            axes = draw(st.one_of(distinct_axes, some_axes))
            return Array(array_name(draw(names), axes), axes)


@st.composite
def gathers(draw: st.DrawFn) -> Expr:
    places: list[Axis | Expr] = []
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.sampled_from(["axis", "lit", "array"])):
            case "axis":
                places.append(draw(st.sampled_from([a for a in AXES if a not in places])))
            case "lit":
                places.append(Lit(draw(st.integers(0, 2))))
            case _:
                axes = draw(distinct_axes)[:2]
                places.append(Array(array_name("at", axes), axes))
    shape = "_".join(p.name if isinstance(p, Axis) else "t" for p in places)
    return Gather(f"table_{shape}", tuple(places))


def grow(children: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    pair = st.tuples(children, children)
    several = st.lists(children, min_size=1, max_size=3).map(tuple)
    unary = st.sampled_from(["abs", "sin", "cos", "tanh"])
    positive = children.map(lambda e: Map("abs", (e,)))
    compare = st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"])
    test = st.builds(Map, compare, pair)
    return st.one_of(
        st.builds(lambda a: Map("add", a), several),
        st.builds(lambda a: Map("mul", a), several),
        st.builds(
            lambda a, b: Map("div", (a, Map("add", (Map("abs", (b,)), Lit(1))))), children, children
        ),
        st.builds(lambda a, n: Map("pow", (a, Lit(n))), children, st.integers(0, 3)),
        st.builds(
            lambda a, n: Map("pow", (Map("add", (a, Lit(1.5))), Lit(n))),
            positive,
            st.sampled_from([-2, -1, -0.5, 0.5]),
        ),
        st.builds(lambda op, a: Map(op, (a,)), unary, children),
        st.builds(lambda a: Map("sqrt", (a,)), positive),
        st.builds(lambda a: Map("log", (Map("add", (a, Lit(0.5))),)), positive),
        st.builds(lambda a: Map("log1p", (a,)), positive),
        st.builds(
            lambda a, b: Map("log1p_ratio", (a, Map("add", (b, Lit(0.5))))), positive, positive
        ),
        st.builds(lambda a: Map("exp", (Map("tanh", (a,)),)), children),
        st.builds(lambda t, p: Map("where", (t, *p)), test, pair),
        st.builds(
            lambda a, b: Map(
                "indicator",
                (
                    Map(
                        "and",
                        (a, Map("not", (b,))),
                    ),
                ),
            ),
            test,
            test,
        ),
        st.builds(lambda a, b: Map("indicator", (Map("or", (a, b)),)), test, test),
        contractions(children),
    )


@st.composite
def contractions(draw: st.DrawFn, children: st.SearchStrategy[Expr]) -> Expr:
    args = tuple(draw(st.lists(children, min_size=1, max_size=3)))
    free = tuple(dict.fromkeys(a for x in args for a in axes_of(x)))
    sums = tuple(draw(st.permutations(free)))[: draw(st.integers(0, len(free)))]
    return Contract(args, sums) if sums else Map("mul", args)


expressions = st.recursive(leaves(), grow, max_leaves=6)


@st.composite
def wholes(draw: st.DrawFn) -> Whole:
    expr = draw(expressions)
    own = axes_of(expr)
    more = draw(st.lists(st.sampled_from([a for a in AXES if a not in own] or [I]), max_size=1))
    axes = tuple(draw(st.permutations(tuple(dict.fromkeys((*own, *more))))))
    return Whole(expr, axes, full=draw(st.booleans()))


A = Array("a_i_j", (I, J))
B = Array("b_j_k", (J, K))
D = Array("d_k_k", (K, K))


@settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(wholes())
@example(Whole(Contract((A, B), (J,)), (I, K)))
@example(Whole(Contract((A, B), (J,)), (K, I)))
@example(Whole(Contract((D, D), (K,)), ()))
@example(Whole(Contract((Map("log", (A,)),), (I,)), (J,)))
@example(Whole(Map("mul", (Lit(-1), Map("add", (A, Lit(1))))), (J, I)))
@example(Whole(Map("div", (A, Map("mul", (A, A)))), (I, J)))
@example(Whole(Map("add", (Map("mul", (Lit(-1), A)), Map("add", (Map("mul", (Lit(-1), B)),)))),
               (I, J, K)))  # fmt: skip
def test_prints_what_it_means(w: Whole) -> None:
    check(w)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(wholes())
def test_prints_what_it_means_at_length(w: Whole) -> None:
    check(w)


# --- one of each -----------------------------------------------------------------------------

UNARY = ("log", "safelog", "exp", "sqrt", "abs", "sin", "cos", "tanh", "lgamma", "i0",
         "log_i0", "log1pexp")  # fmt: skip
BINARY = ("add", "mul", "div", "pow", "atan2", "eq", "ne", "lt", "le", "gt", "ge")


@pytest.mark.parametrize("axes", [(I, J), (J, I), (J, K, I)], ids=["as stored", "turned", "wider"])
def test_powers_of_absolute_values(axes: tuple[Axis, ...]) -> None:
    for power, logs, signs in product((2.5, 0.7, A), (0, 1, 2), (0, 1)):
        given = Lit(power) if isinstance(power, float) else power
        code = Map("abs_power", (Map("add", (A, Lit(-0.3))), given, Lit(logs), Lit(signs)))
        check(Whole(code, axes, full=True))


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("axes", [(I, J), (J, I), (J, K, I)], ids=["as stored", "turned", "wider"])
def test_each_function(op: str, axes: tuple[Axis, ...]) -> None:
    inner = Map("add", (A, Lit(0.1)))
    check(Whole(Map(op, (inner,)), axes, full=True))
    check(Whole(Map("mul", (Lit(2), Map(op, (inner,)), Map(op, (A,)))), axes, full=True))


@pytest.mark.parametrize("op", BINARY)
def test_each_operator(op: str) -> None:
    args = (A, Map("add", (Array("c_j", (J,)), Lit(-0.5))))
    check(Whole(Map(op, args), (J, I)))
    if op in ("add", "mul", "div", "pow", "atan2"):
        check(Whole(Map(op, (Map(op, (A, A)), Map(op, (A, A)))), (I, J)))
        check(Whole(Map(op, (Map("add", (A, Lit(1))), Map("mul", (Lit(-1), A)))), (I, J)))


def test_log_indicator() -> None:
    test = Map("gt", (A, Lit(1)))
    check(Whole(Map("log_indicator", (test,)), (J, I)))
    check(Whole(Map("add", (Map("indicator", (test,)), Map("where", (test, A, Lit(0))))), (I, J)))


@pytest.mark.parametrize("value", [-1, -0.5, 1e-300, 2, 1e22, 0.1])
def test_numbers(value: float) -> None:
    check(Whole(Lit(value), ()))
    check(Whole(Map("pow", (Map("add", (A, Lit(2))), Lit(min(value, 3)))), (I, J)))
    check(Whole(Map("mul", (A, Lit(value))), (J, I)))
    check(Whole(Map("add", (Lit(value), A, Lit(value))), (I, J)))


def test_negative() -> None:
    check(Whole(Map("add", (Array("c_j", (J,)), Map("neg", (A,)))), (J, I)))
    check(Whole(Map("pow", (Map("neg", (A,)), Lit(2))), (J, I)))


@pytest.mark.parametrize("place", [Lit(1), Array("at", ())])
def test_a_repeated_axis_beside_a_place_is_the_diagonal(place: Expr) -> None:
    check(Whole(Gather("table", (place, K, K)), (K,)))


def test_infinite_numbers() -> None:
    check(Whole(Map("mul", (Map("add", (A, Lit(2))), Lit(float("inf")))), (I, J)))
    check(Whole(Map("mul", (Map("add", (A, Lit(2))), Lit(float("-inf")))), (I, J)))


def test_kernels() -> None:
    root = Contract((Array("r_i_k", (I, K)), Array("r_j_k", (J, K))), (K,))
    check(Whole(root, (J, I)))
    counts = Kernel("normalize_counts", (Whole(A, (I, J)),), (I, J))
    with pytest.raises(AttributeError):  # the runtime has no such function: the printer trusts it
        check(Whole(counts, (I, J)))
    n = Array("n", ())
    check(Whole(Map("add", (Kernel("multigammaln", (Whole(Map("add", (n, Lit(4))), ()), 2)), A)),
                (J, I)))  # fmt: skip


def test_a_repeated_axis_is_the_diagonal() -> None:
    check(Whole(D, (K,)))
    check(Whole(Contract((D, B), (K,)), (J,)))
    check(Whole(Map("mul", (D, Array("e_i", (I,)))), (K, I)))
