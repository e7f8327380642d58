"""What a generated module hands to the runtime: metadata and a few array functions.

Knows nothing of languages, graphs or distributions. Arrays inside the engine have their plate
axis last and contiguous (states, features and event axes first), because reductions over a short
last axis are an order of magnitude slower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Params = dict[str, Floats]
Dim = str | int  # a size's name, or a number written in the file


# --- metadata --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
    """A size of the model. `sources` are (array, dimension) or (array, "values") to read it off.

    A ragged size (`T[s]`) is no one number: it has lengths in the Layout instead.
    """

    name: str
    role: Literal["hyper", "plate", "data", "ragged"]
    default: int | None = None
    sources: tuple[tuple[str, int | str], ...] = ()


@dataclass(frozen=True, slots=True)
class Plate:
    """A plate: its axis, its extent, and the axes of the plates around it, outermost first.

    `over` is the axis along which a ragged extent `T[s]` differs ("s"), else ""; `weight` the
    array that counts its elements' replicates, else "". `single` says that it is of what stands in
    no plate: answers have no axis for it.
    """

    axis: str
    dim: Dim
    outer: tuple[str, ...] = ()
    over: str = ""
    weight: str = ""
    single: bool = False


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter with its dimensions; the last `event` of them belong to one value.

    `collapse` says where the likelihood is unbounded in it: ("zero", 2.0) for a standard
    deviation (its square is a variance), ("zero", 1.0) for a variance, ("infinity", 1.0) for a
    precision or a rate, None where it is bounded. Adding one number to all entries along dimension
    `shift` changes nothing (a softmax's weights with a row for every class). `together` is a
    dimension along which the update holds only where all entries or none are fixed. `peak` is
    what `collapse` is, of what Newton's method finds: by the density itself, for floors.
    """

    name: str
    dims: tuple[Dim, ...]
    kind: str
    event: int = 0
    collapse: tuple[Literal["zero", "infinity"], float] | None = None
    prior: bool = False
    shift: int | None = None
    together: int | None = None
    peak: tuple[Literal["zero", "infinity"], float] | None = None


@dataclass(frozen=True, slots=True)
class Array:
    """A data, input, weight or const array the user gives.

    The first `plates` dimensions are plates, whose axes are `axes`. `values` bounds a category or
    index. `missing` says what a missing cell means: "cell" drops it, "row" drops an element whose
    cells are all missing (some missing is an error), "part" does so and integrates out cells
    missing beside others, "any" integrates out whatever is missing, "sum" sums over a discrete
    variable's values, "no" is an error. `open` marks limits, which may be infinite or missing
    where there is none: "lower" and "upper" ones, or both "ends" of an interval, which are the last
    dimension.
    """

    name: str
    role: Literal["data", "input", "weight", "const"]
    dims: tuple[Dim, ...]
    plates: int
    kind: str
    values: Dim | None = None
    missing: Literal["cell", "row", "part", "any", "sum", "no"] = "no"
    axes: tuple[str, ...] = ()
    open: Literal["", "lower", "upper", "ends"] = ""


@dataclass(frozen=True, slots=True)
class Latent:
    """A discrete latent: its plate dimensions and its number of values.

    `data` names the data array of the same name when it is partly observed. `axes` are its plates.
    """

    name: str
    dims: tuple[Dim, ...]
    values: Dim
    data: str | None = None
    axes: tuple[str, ...] = ()  # the plates it is in


@dataclass(frozen=True, slots=True)
class Continuous:
    """A continuous latent: its dimensions, the last `event` of which belong to one value.

    `added` says that the model's file doesn't have it: data are written with it for EM's sake.
    `about` is what it is shifted by in E- and M-steps: (parameter, factor, places) are factor times
    the parameter's pivot, whose dimensions are those `places` of the value, counted from the last.
    """

    name: str
    dims: tuple[Dim, ...]
    kind: str
    event: int = 0
    axes: tuple[str, ...] = ()  # the plates it is in
    added: bool = False
    about: tuple[tuple[str, float, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Constraint:
    """sum of coefficient * entries, `relation` ("==", ">=" or "<=") `value`; `text` as written.

    A term is (parameter, index, coefficient, summed): the entries that an index leaves are meant
    one by one, or their sum.
    """

    text: str
    terms: tuple[tuple[str, tuple[int, ...], float, bool], ...]
    relation: Literal["==", ">=", "<="]
    value: float


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What a parameter is to be moved by where an array is: numbers times entries, added up.

    `labels` name the parameter's dimensions. A move is (number, factors, at, power): the product of
    the number, of entries of the parameters in `factors` (name, labels) and of a power of the
    constant's entry `at`, summed over labels that the parameter doesn't have. Digits are fixed
    places.
    """

    param: str
    labels: tuple[str, ...]
    moves: tuple[tuple[float, tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...], int], ...]


@dataclass(frozen=True, slots=True)
class Translation:
    """A covariate, and what makes up for a constant taken off it.

    `why` says why nothing does, or why nothing but `own`, which are parameters (name, dimension)
    that make up for it in the entry of a column that is the same everywhere.
    """

    array: str
    absorbed: tuple[Absorbed, ...] = ()
    own: tuple[tuple[str, int], ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Meta:
    """Everything about the model that is not mathematics."""

    name: str
    doc: str
    source: str
    source_sha256: str
    compiler: str
    sizes: tuple[Size, ...]
    params: tuple[Param, ...]
    arrays: tuple[Array, ...]
    latents: tuple[Latent, ...]
    objective: Literal["log likelihood", "log posterior"]
    constants: tuple[tuple[str, Any], ...] = ()  # const arrays whose values the file gives
    plates: tuple[Plate, ...] = ()  # in file order
    constraints: tuple[Constraint, ...] = ()
    continuous: tuple[Continuous, ...] = ()
    translations: tuple[Translation, ...] = ()

    def param(self, name: str) -> Param:
        return next(p for p in self.params if p.name == name)

    def array(self, name: str) -> Array:
        for array in self.arrays:
            if array.name == name:
                return array
        raise StopIteration

    def plate(self, axis: str) -> Plate:
        return next(p for p in self.plates if p.axis == axis)


# --- what passes between data, engine and module ---------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """The sizes in force, for each data array whether it has no missing cell, and the consts.

    `lengths` holds for each ragged plate's axis how many elements it has in each row of the level
    that its outer plates make, flattened with the outermost first.
    """

    sizes: Mapping[str, int]
    complete: Mapping[str, bool] = field(default_factory=dict)
    consts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    lengths: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bound:
    """The user's data after checking: arrays in their declared dimension order.

    Missing cells hold a harmless value of the array's own support and are False in `observed`
    (None: complete); for missing="row" the mask has the plate dimensions only. Cells that are to be
    integrated out are True in `gaps`, of the arrays that have such, and count as observed.

    Where a plate axis of an array is ragged, its plate dimensions up to the deepest ragged one
    are one leading dimension of rows, of `arrays` and `observed` alike.

    `form` is how ragged data came, and how answers go back: lists of arrays, one for each row of
    the outer plates ("list"), rows one after the other ("rows"), or a rectangular array
    ("array"). `order` holds the user's row of each row here, where ids told rows apart.
    """

    layout: Layout
    arrays: Mapping[str, NDArray[Any]]
    observed: Mapping[str, NDArray[np.bool_] | None]
    form: Literal["rows", "list", "array"] = "rows"
    plates: tuple[Plate, ...] = ()
    order: NDArray[np.intp] | None = None
    gaps: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Features:
    """The data parts of one block of plate elements: constant between EM iterations.

    `direct` (F0, B) are the terms that no latent touches. For each elimination cluster, `rows`
    holds the terms its coefficients multiply (F, B), and `fixed` what has no parameter and
    doesn't factor (cluster axes..., B), or None. Where data and parameters mix, what they add at
    the parameters of the moment is in `fixed` too, and in `live` (B,) where no latent touches it.
    """

    direct: Floats
    rows: tuple[Floats, ...]
    fixed: tuple[Floats | None, ...]
    live: Floats | None = None


Coefficients = tuple[Floats, ...]  # direct (F0,), then one (C, F) for each cluster
Bias = Mapping[str, Floats]  # log potentials (values, B) added for a latent, to start EM from
Blocks = Mapping[str, NDArray[Any]]


class Block(dict[str, NDArray[Any]]):
    """A block's arrays, as generated functions take them; `along` are those that have rows."""

    __slots__ = ("along",)

    def __init__(self, arrays: Blocks, along: frozenset[str], width: int) -> None:
        super().__init__(arrays)
        self["block width"] = np.asarray(width)
        self.along = along

    @property
    def width(self) -> int:
        return int(self["block width"])


Rows = tuple[Block, Floats | None]  # a block of data, and its rows' weights or posterior
Inferred = tuple[Floats, tuple[Floats, ...]]  # log evidence (B,), each cluster's posterior (C, B)
Integrated = tuple[tuple[Floats, ...], tuple[Floats, ...]]  # of each integral, of each function
Coupled = tuple[Mapping[str, Floats], tuple[Floats, ...]]  # log evidence by level, posteriors
Potential = tuple[Any, tuple[Any, ...]]  # (B,) or None; of each cluster (states..., B) or None
Potentials = tuple[tuple[Floats, ...], ...]  # of each piece, each cluster: (C, rows or tables)


class Eliminate(Protocol):
    """What summing out means; see `emdsl.runtime.how`."""

    def eliminate(self, log_joint: Floats) -> Floats:
        """Reduce (values, ..., B) over its first axis; weights over it are left in its place."""
        ...


# --- a piece without latents -------------------------------------------------------------------


def no_latents(
    features: Features,
    coefficients: Coefficients,
    layout: Layout,
    how: Eliminate | None = None,
    bias: Bias | None = None,
) -> Inferred:
    """The `infer` of a piece without latents: no evidence beside the direct terms."""
    del coefficients, layout, how, bias
    return np.zeros(features.direct.shape[1]), ()


def no_marginals(clusters: tuple[Floats, ...], layout: Layout) -> Mapping[str, Floats]:
    """The `marginals` of a piece without latents."""
    del clusters, layout
    return {}


# --- a program -------------------------------------------------------------------------------


Place = tuple[str, str, int]  # ("axis", plate, lag), ("array", index input, 0), ("number", "", n)


@dataclass(frozen=True, slots=True)
class View:
    """An array or latent as seen from other rows than its own; `key` is what a block calls it.

    `array` "#t" is each row's own index along plate t. Without `places`, that of a row's own or of
    the row it is in.
    """

    key: str
    array: str
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """One function of continuous latents: its cluster, its name, and what it is to the posterior.

    `role` is "linear" (part `first` of jointly normal latents), "product" or "along" (parts `first`
    and `second`, every entry with every other or entry by entry), or "function" (number `first` of
    the posterior's family). `width` is how many of its axes are those of part `first`.
    """

    cluster: int
    name: str
    role: Literal["linear", "product", "along", "function"]
    first: int
    second: int = -1
    width: int = 0


@dataclass(frozen=True, slots=True)
class Integral:
    """Continuous latents integrated out together: their family, and the functions of them.

    `states` is how many leading axes of their clusters are values of discrete latents. `sights`
    are the parts of normal latents tied across rows, as each row sees them.
    """

    family: str
    latents: tuple[str, ...]
    states: int
    shares: tuple[Share, ...]
    sights: tuple[View, ...] = ()
    parent: int = -1  # the cluster of discrete latents that takes their log evidence


@dataclass(frozen=True, slots=True)
class Link:
    """From each row of level `source` to one of level `target`.

    `carries` are the latents, as the source's rows see them, whose log factors go that way.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    places: tuple[Place, ...]
    carries: tuple[View, ...] = ()


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows of another level whose features are added up at the rows they point to, once.

    `clusters` are the numbers of the clusters that `features(block, layout, pivot)` is about.
    """

    link: Link
    arrays: tuple[str, ...]
    features: Callable[[Blocks, Layout, Params], Features]
    clusters: tuple[int, ...]
    views: tuple[View, ...] = ()


@dataclass(frozen=True, slots=True)
class Gaps:
    """Data arrays whose missing cells are integrated out together: see `emdsl.runtime.gaps`.

    Cluster `host` takes the log of the integral, -1 stands for the direct terms. `clusters` are
    those with features of the arrays, each with the places of its latents among the host's.
    `naturals` are clusters of normal latents that the cells are tied to, whose natural parameters
    the integral adds to; all clusters are those of piece `home` where rows are folded into its, or
    else (-1) of their own.
    """

    arrays: tuple[str, ...]
    host: int
    clusters: tuple[tuple[int, tuple[int, ...]], ...]
    naturals: tuple[int, ...] = ()
    home: int = -1


@dataclass(frozen=True, slots=True)
class Piece:
    """A level of rows: a plate's elements, or those of nested plates (`axes`).

    Where the rows are independent given the parameters, `infer` and the two after it handle them
    block by block; where they are coupled, a structure does, and `infer` isn't called.

    `clusters` holds the number of values of each latent in each elimination cluster.
    `features(block, layout, pivot)`; `coefficients(params, layout, pivot)`;
    `infer(features, coefficients, layout, how, bias)` gives the log evidence (B,), without the
    direct terms, and each cluster's posterior marginal (C, B);
    `marginals(cluster marginals, layout)` gives each latent's own (values, B);
    `collect(direct sums, cluster sums, layout)` names the statistics.
    `potentials(block, params, layout, pivot)` is what data and parameters together add.
    """

    plate: Dim
    arrays: tuple[str, ...]
    latents: tuple[str, ...]
    clusters: tuple[tuple[Dim, ...], ...]
    features: Callable[[Blocks, Layout, Params], Features]
    coefficients: Callable[[Params, Layout, Params], Coefficients]
    marginals: Callable[[tuple[Floats, ...], Layout], Mapping[str, Floats]]
    collect: Callable[[Floats, tuple[Floats, ...], Layout], Mapping[str, Floats]]
    axes: tuple[str, ...] = ()
    views: tuple[View, ...] = ()
    infer: Callable[[Features, Coefficients, Layout, Any, Bias | None], Inferred] = no_latents
    shared: tuple[bool, ...] = ()  # of each cluster: whether its potentials are tables
    own: tuple[int, ...] = ()  # of each latent: the cluster of its own values alone
    reads: tuple[tuple[View, ...], ...] = ()  # of each cluster: its latents, as its rows see them
    potentials: Callable[[Blocks, Params, Layout, Params], Potential] | None = None
    kept: tuple[int, ...] = ()  # clusters whose posteriors the M-step asks for; -1: no latent
    integrals: tuple[Integral, ...] = ()  # continuous latents, whose clusters come last
    integrate: Callable[[Features, Coefficients, Layout, Any, Bias | None], Integrated] | None = (
        None
    )
    folds: tuple[Fold, ...] = ()  # other rows, of which some clusters' features are sums
    gaps: tuple[Gaps, ...] = ()  # data whose missing cells are integrated out
    foreseen: tuple[Gaps, ...] = ()  # under tied normals: these, and data whose cells drop out


@dataclass(frozen=True, slots=True)
class Walk:
    """Latents tied along the rows of a level: to `history` rows before, or to their parents'.

    `parent` is the index input that holds the parents, "" for a chain; `tables` the clusters
    (number of piece, number of cluster) whose potentials are tables that rows share; `given` the
    latents of other rows, each the same along a sequence, for whose values it is walked.
    """

    axes: tuple[str, ...]
    parent: str
    history: int
    tables: tuple[tuple[int, int], ...]
    given: tuple[View, ...] = ()


class Coupling(Protocol):
    """Coupled levels, as far as the engine knows: see `emdsl.runtime.structures.Structure`."""

    @property
    def pieces(self) -> tuple[int, ...]:
        """Their numbers in the program."""
        ...

    def load(self, meta: Meta, levels: Any, pieces: Any, blocks: Any) -> Any:
        """The levels with their rows."""
        ...


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled model. `pivot(params)` is about where sums of squares are taken."""

    meta: Meta
    pieces: tuple[Piece, ...]
    m_step: Callable[[Statistics, Params], Params]
    log_prior: Callable[[Params, Layout], float]
    pivot: Callable[[Params], Params]
    sample: Callable[..., dict[str, NDArray[Any]]]
    structures: tuple[Coupling, ...] = ()
    numeric: tuple[Any, ...] = ()  # blocks of the M-step: see `emdsl.runtime.numeric`
    exact: bool = False  # whether one thorough M-step is at the maximum of Q


@dataclass(frozen=True, slots=True)
class Statistics:
    """Expected sufficient statistics by name, and the log likelihood they came with.

    Additive over chunks of a plate: `e_step(a) + e_step(b)` are the statistics of both, where
    both were taken about the same pivot (by default the one the parameters imply).

    `rows` are blocks of data for what is summed with parameters in it; `thin(first, step)` the
    statistics of every so-many-th row from one on, weighted to stand for all; None where rows have
    latents. `found` is what has been found of numeric blocks at points, for all statistics that are
    the same; None where an E-step gives others.
    """

    values: Mapping[str, Floats]
    log_likelihood: float
    layout: Layout
    pivot: Params
    rows: Mapping[tuple[int, int], tuple[Rows, ...]] = field(default_factory=dict)
    thorough: bool = False
    notes: list[str] | None = None
    thin: Callable[[int, int], Statistics] | None = None
    found: dict[bytes, Any] | None = None

    def __getitem__(self, name: str) -> Floats:
        return self.values[name]

    def __add__(self, other: Statistics) -> Statistics:
        for name, value in self.pivot.items():
            if not np.array_equal(value, other.pivot[name]):
                raise ValueError(
                    f"statistics about different pivots of {name} don't add: "
                    "pass the same pivot= to both e_step calls"
                )
        sizes = dict(self.layout.sizes)
        for name, size in other.layout.sizes.items():
            if sizes.get(name) != size:
                sizes[name] = sizes.get(name, 0) + size  # a plate: its elements add up
        complete = {n: c and other.layout.complete[n] for n, c in self.layout.complete.items()}
        lengths = {
            axis: np.concatenate([own, other.layout.lengths[axis]])
            for axis, own in self.layout.lengths.items()
        }
        return Statistics(
            {n: v + other.values[n] for n, v in self.values.items()},
            self.log_likelihood + other.log_likelihood,
            Layout(sizes, complete, self.layout.consts, lengths),
            self.pivot,
            {key: (*blocks, *other.rows.get(key, ())) for key, blocks in self.rows.items()},
            self.thorough,
        )
