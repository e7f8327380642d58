"""Metadata of ragged models, written by hand."""

from __future__ import annotations

from emdsl.runtime import program as rt

S = rt.Plate("s", "S")
T = rt.Plate("t", "T", outer=("s",), over="s")


def meta(
    sizes: tuple[rt.Size, ...], plates: tuple[rt.Plate, ...], *arrays: rt.Array, name: str = "HMM"
) -> rt.Meta:
    return rt.Meta(name, "", "", "", "", sizes, (), arrays, (), "log likelihood", (), plates)


X = rt.Array("x", "data", ("S", "T"), 2, "real", missing="cell", axes=("s", "t"))
Y = rt.Array("y", "data", ("S", "T"), 2, "count", missing="cell", axes=("s", "t"))
V = rt.Array("v", "data", ("S", "T", "D"), 2, "real", missing="row", axes=("s", "t"))
U = rt.Array("u", "input", ("S",), 1, "real", axes=("s",))
W = rt.Array("w", "weight", ("S",), 1, "positive", axes=("s",))
PARENT = rt.Array("parent", "input", ("S", "T"), 2, "index", values="T", axes=("s", "t"))
FIRST = rt.Array("first", "input", ("S",), 1, "index", values="T", axes=("s",))


def chain(*arrays: rt.Array) -> rt.Meta:
    """for s in S: for t in T[s]"""
    names = {a.name: a for a in arrays}
    s = tuple((n, 0) for n in names)
    t = tuple((n, 1) for n, a in names.items() if len(a.axes) > 1)
    sizes = [rt.Size("S", "plate", sources=s), rt.Size("T", "ragged", sources=t)]
    if V in arrays:
        sizes.append(rt.Size("D", "data", sources=(("v", 2),)))
    return meta(tuple(sizes), (S, T), *arrays)


HMM = chain(X)
VECTOR = chain(V)
SEVERAL = chain(X, Y, U)
TREE = chain(X, PARENT)

NESTED = meta(
    (
        rt.Size("D", "plate", sources=(("words", 0), ("y", 0))),
        rt.Size("S", "ragged", sources=(("words", 1), ("y", 1))),
        rt.Size("W", "ragged", sources=(("words", 2),)),
    ),
    (
        rt.Plate("d", "D"),
        rt.Plate("s", "S", outer=("d",), over="d"),
        rt.Plate("w", "W", outer=("d", "s"), over="s"),
    ),
    rt.Array("words", "data", ("D", "S", "W"), 3, "real", missing="cell", axes=("d", "s", "w")),
    rt.Array("y", "input", ("D", "S"), 2, "real", axes=("d", "s")),
    name="Documents",
)

TWO = meta(
    (
        rt.Size("S", "plate", sources=(("x", 0), ("r", 0))),
        rt.Size("T", "ragged", sources=(("x", 1),)),
        rt.Size("R", "ragged", sources=(("r", 1),)),
    ),
    (S, T, rt.Plate("k", "R", outer=("s",), over="s")),
    X,
    rt.Array("r", "data", ("S", "R"), 2, "real", missing="cell", axes=("s", "k")),
)

RECTANGULAR = meta(
    (
        rt.Size("S", "plate", sources=(("x", 0),)),
        rt.Size("T", "plate", sources=(("x", 1),)),
    ),
    (S, rt.Plate("t", "T", outer=("s",))),
    X,
)
