"""Random small models with continuous latents as `.em` text, with data and parameters.

Each of `KINDS` writes one sort of structure, in random combinations: normal latents in rows, in
groups, in nested and crossed plates and in chains; conjugate pairs; normals given a gamma. Any of
them may stand under a discrete latent.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.inference.continuous_draft import Latents
from tests.inference.graph_draft import Plate, Ref
from tests.inference.random_graphs import Seeded


def draft(kind: str, seed: int) -> Latents:
    """A seeded random model of one kind."""
    rng = np.random.default_rng([seed, *kind.encode()])
    d = Latents(Seeded(rng), rng)
    KINDS[kind](d)
    return d


def _under(d: Latents, plate: Plate, p: float = 0.35) -> list[Ref]:
    """Perhaps a discrete latent of the plate."""
    return [d.discrete(plate, d.pick([2, 2, 3]))] if d.chance(p) else []


# --- normal ------------------------------------------------------------------------------------


def _rows(d: Latents) -> None:
    """One or two latents in each row, the second perhaps linear in the first."""
    n = d.plate("n", None, 4)
    if d.chance(0.2):
        d.weigh(n)
    over = _under(d, n)
    first = d.pick([0, 2, 2])
    z = [d.latent(n, d.standard(first), first)]
    if d.chance(0.4):
        if d.chance(0.5):
            size = d.pick([0, 2])
            mean = d.mean(n, [], z, size)
            z.append(d.latent(n, d.normal(mean, size, over), size))
        else:
            z.append(d.latent(n, d.standard(0)))
    if d.chance(0.3):
        j = d.plate("j", n, 3)
        item = d.table("real", [], (), j)
        scalar = d.linear(z[0], 0) if z[0].node.values else z[0].text
        d.observe_as(j, "", d.normal(f"{item} + {scalar}", 0), lambda _: d.rng.normal())
    d.observe(n, over, z)
    if d.chance(0.4):
        d.observe(n, over, d.some(z, 1, 1))


def _group_latents(d: Latents, g: Plate, over: list[Ref]) -> list[Ref]:
    """Effects of a group: a number, a number of a mean to learn, or a vector."""
    out = []
    for _ in range(d.choices.integer(1, 2)):
        size = d.pick([0, 0, 2])
        mean = d.mean(g, over, [], size) if d.chance(0.5) else "0" if not size else f"zeros[{size}]"
        out.append(d.latent(g, d.normal(mean, size, over), size))
    return out


def _effects(d: Latents, plate: Plate, latents: list[Ref]) -> list[str]:
    """Each effect as a term of a number's mean: alone, times an input, by a vector of inputs."""
    terms = []
    for z in latents:
        if z.node.values:
            terms.append(f"dot({d.covariate(plate, z.node.values)}, {z.text})")
        elif d.chance(0.4):
            terms.append(f"{d.covariate(plate)} * {z.text}")
        else:
            terms.append(z.text)
    return terms


def _grouped_data(d: Latents, plate: Plate, over: list[Ref]) -> None:
    terms = _effects(d, plate, d.read(plate))
    if d.chance(0.5):
        terms.insert(0, d.table("real", over))
    if d.chance(0.3):
        terms.append(f"{d.table('real', [])} * {d.covariate(plate)}")
    d.observe_as(plate, "", d.normal(" + ".join(terms), 0, over), lambda _: 2 * d.rng.normal())


def _groups(d: Latents) -> None:
    """Rows that say which group they are of: intercepts and slopes."""
    g = d.plate("g", None, 3)
    over = _under(d, g, 0.2)
    n = d.plate("n", None, 6)
    d.link(n, g)
    _group_latents(d, g, over)
    _grouped_data(d, n, _under(d, n, 0.15))


def _crossed(d: Latents) -> None:
    """Rows of two groups at once."""
    g, h = d.plate("g", None, 3), d.plate("h", None, 3)
    n = d.plate("n", None, 6)
    for to in (g, h):
        d.link(n, to)
        _group_latents(d, to, [])
    _grouped_data(d, n, [])


def _nested(d: Latents) -> None:
    """Effects of plates inside each other, ragged or not; each on those around it."""
    a = d.plate("a", None, 2)
    over = _under(d, a, 0.2)
    b = d.plate("b", a, 3, ragged=d.chance(0.5))
    inner = d.plate("k", b, 2, ragged=d.chance(0.5)) if d.chance(0.6) else b
    top = d.latent(a, d.normal(d.mean(a, over, [], 0), 0, over))
    mean = d.pick([top.text, "0"])
    low = d.latent(b, d.normal(mean, 0))
    if d.chance(0.2) or (inner.ragged and not b.ragged):  # lengths alone don't say how many
        d.observe(b, [], [low], 0)
    terms = [low.text, *([top.text] if mean == "0" else [])]
    if d.chance(0.4):
        terms.append(d.table("real", []))
    if d.chance(0.3):
        terms.append(f"{d.table('real', over)} * {d.covariate(inner)}")
    d.observe_as(inner, "", d.normal(" + ".join(terms), 0), lambda _: 2 * d.rng.normal())


def _global(d: Latents) -> None:
    """Effects that all rows share, outside every plate."""
    z = d.name("z")
    d.globals.append(f"latent {z} ~ {d.normal('0', 0)}")
    n = d.plate("n", None, 4)
    terms = [z, *_effects(d, n, [d.latent(n, d.standard(0))] if d.chance(0.4) else [])]
    d.observe_as(n, "", d.normal(" + ".join(terms), 0), lambda _: d.rng.normal())


# --- chains ------------------------------------------------------------------------------------


def _chains(d: Latents) -> None:
    """States that follow on the one or two before, with inputs, in one or more sequences."""
    several = d.chance(0.6)
    s = d.plate("s", None, 3) if several else None
    over = _under(d, s, 0.25) if s is not None else []
    t = d.plate("t", s, 6, "chain", ragged=several and d.chance(0.7))
    states = [_state(d, t, over)]
    if d.chance(0.2):
        states.append(_state(d, t, over))
    d.observe(t, over, states)
    if d.chance(0.25):
        d.observe(t, over, states[:1])


def _state(d: Latents, t: Plate, over: list[Ref]) -> Ref:
    size = d.pick([0, 0, 2])
    shape = (str(size),) if size else ()
    name = d.name("z")
    around = "".join(f"{p.axis}, " for p in t.outer)

    def back(lag: int) -> str:
        z = f"{name}[{around}{t.axis}-{lag}]"
        if size:
            return f"{d.table('real', over, (str(size), str(size)))} @ {z}"
        return z if lag == 1 and d.chance(0.3) else f"{d.table('real', over)} * {z}"

    def drive(mean: str) -> str:
        if d.chance(0.3):
            mean += f" + {d.table('real', [], shape)} * {d.covariate(t)}"
        if d.chance(0.2):
            mean += f" + {d.table('real', [], shape)}"
        return mean

    zero = f"zeros[{size}]" if size else "0"
    start = d.standard(size)
    if d.chance(0.5):
        start = d.normal(d.table("real", over, shape) if d.chance(0.5) else zero, size)
    then = d.normal(drive(back(1)), size)
    dist = f"{start} if {t.axis} == 0 else {then}"
    if d.chance(0.3):
        dist = f"{then} if {t.axis} > 0 else {start}"
    if d.chance(0.25):
        later = d.normal(f"{back(1)} + {back(2)}", size)
        dist = f"{start} if {t.axis} == 0 else {then} if {t.axis} == 1 else {later}"
        if d.chance(0.4):
            dist = f"{start} if {t.axis} < 2 else {later}"
    typed = f" : real[{size}]" if size else " : real"
    t.lines.append(f"latent {name}[{t.at()}]{typed} ~ {dist}")
    return d.written(name, t, size)


# --- conjugate ---------------------------------------------------------------------------------


def _conjugate(d: Latents) -> None:
    """A latent with data of its own: in its row, in a plate inside, or in rows that point to it."""
    g = d.plate("n", None, 3)
    where = d.pick(["row", "row", "inside", "pointed"])
    rows = g
    if where == "inside":
        rows = d.plate("j", g, 3, ragged=d.chance(0.4))
    elif where == "pointed":
        rows = d.plate("r", None, 4)
        d.link(rows, g)
    elif d.chance(0.25):
        d.weigh(g)
    over = _under(d, g)
    pair = d.pick(list(PAIRS))
    PAIRS[pair](d, g, rows, over)
    if where == "row" and d.chance(0.25):  # another one beside it, perhaps of the same class
        PAIRS[d.pick(list(PAIRS))](d, g, rows, over)


def _latest(d: Latents, rows: Plate) -> str:
    """The latent written last, as it is read in the rows."""
    return next(r.text for r in d.read(rows) if r.node is d.smooth[-1])


def _own(g: Plate, rows: Plate, over: list[Ref]) -> list[Ref]:
    """The discrete latent, where the rows are inside its plate."""
    return over if g in rows.path else []


def _gamma(d: Latents, g: Plate, over: list[Ref]) -> None:
    a = d.table("positive", over)
    match d.pick(["free", "free", "mean one", "halves", "scale"]):
        case "free":
            d.latent(g, f"Gamma({a}, {d.table('positive', over)})")
        case "mean one":
            d.latent(g, f"Gamma({a}, {a})")
        case "halves":
            d.latent(g, f"Gamma({a} / 2, {a} / 2)")
        case _:
            d.latent(g, f"Gamma({a}, scale = {d.table('positive', over)})")


def _gamma_rate(d: Latents, g: Plate, rows: Plate, over: list[Ref]) -> None:
    """A rate of counts, of times, or of both."""
    _gamma(d, g, over)
    u, kinds = _latest(d, rows), d.some(["counts", "times", "gammas"], 2, 1)
    for kind in kinds:
        factor = d.pick(["", "", f" * {d.table('positive', _own(g, rows, over))}", "input"])
        rate = u + (f" * {d.covariate(rows, 0, 'positive')}" if factor == "input" else factor)
        if kind == "counts":
            d.observe_as(rows, " : count", f"Poisson({rate})", lambda _: d.rng.poisson(2))
        elif kind == "times":
            d.observe_as(rows, "", f"Exponential({rate})", lambda _: d.rng.exponential())
        else:
            d.observe_as(rows, "", f"Gamma(2, {rate})", lambda _: d.rng.gamma(2.0))


def _location(d: Latents, rows: Plate, over: list[Ref]) -> str:
    mean = d.table("real", over)
    if d.chance(0.3):
        mean += f" + {d.table('real', over)} * {d.covariate(rows)}"
    return mean


def _gamma_precision(d: Latents, g: Plate, rows: Plate, over: list[Ref]) -> None:
    """Student's t, of numbers or of vectors."""
    _gamma(d, g, over)
    u, own = _latest(d, rows), _own(g, rows, over)
    if d.chance(0.4):
        mean, scale = d.table("real", own, ("2",)), d.table("posdef", d.some(own, 1), ("2",))
        dist = f"MvNormal({mean}, {scale} / {u})"
        name = d.name("y")
        rows.lines.append(f"data {name}[{rows.at()}] : real[2] ~ {dist}")
        d.put(name, rows, lambda _: 2 * d.rng.normal(size=2))
        return
    mean, scale = _location(d, rows, own), d.table("positive", own)
    form = d.pick([f"precision = {u}", f"precision = {u} / {scale}", f"var = {scale} / {u}"])
    d.observe_as(rows, "", f"Normal({mean}, {form})", lambda _: 3 * d.rng.normal())


def _variance(d: Latents, g: Plate, rows: Plate, over: list[Ref]) -> None:
    """A normal's variance: inverse gamma (with a variance), or exponential, Laplace's law."""
    a = d.table("positive", over)
    if d.chance(0.6):
        d.latent(g, f"InverseGamma({a} + 4, {d.table('positive', over)})")
    else:
        d.latent(g, f"Exponential({a})")
    v, own = _latest(d, rows), _own(g, rows, over)
    form = d.pick([v, v, f"{v} * {d.covariate(rows, 0, 'positive')}"])
    mean = _location(d, rows, own)
    d.observe_as(rows, "", f"Normal({mean}, var = {form})", lambda _: 3 * d.rng.normal())


def _beta(d: Latents, g: Plate, rows: Plate, over: list[Ref]) -> None:
    """A probability of events, of counts of them, or of waiting for one."""
    d.latent(
        g,
        f"Beta({d.table('positive', over)} + 1, {d.table('positive', over)} + 1)"
        if d.chance(0.3)
        else f"Beta({d.table('positive', over)}, {d.table('positive', over)})",
    )
    p = _latest(d, rows)
    match d.pick(["bernoulli", "binomial", "trials"]):
        case "bernoulli":
            d.observe_as(rows, " : bool", f"Bernoulli({p})", lambda _: d.rng.integers(0, 2))
        case "binomial":
            d.observe_as(rows, " : count", f"Binomial(5, {p})", lambda _: d.rng.integers(0, 6))
        case _:
            n = d.covariate(rows, 0, "count")
            each = lambda _: d.rng.integers(0, 4)  # noqa: E731
            d.observe_as(rows, " : count", f"Binomial({n}, {p})", each)


def _dirichlet(d: Latents, g: Plate, rows: Plate, over: list[Ref]) -> None:
    """Probabilities of categories, or of counts of them."""
    k = 2 if over else d.pick([2, 3])  # two coordinates take long to integrate
    d.latent(g, f"Dirichlet({d.table('positive', over, (str(k),))})", k, f" : simplex[{k}]")
    p = _latest(d, rows)
    if d.chance(0.5):
        each = lambda _: d.rng.integers(0, k)  # noqa: E731
        d.observe_as(rows, f" : category[{k}]", f"Categorical({p})", each)
    else:
        name = d.name("y")
        rows.lines.append(f"data {name}[{rows.at()}] : count[{k}] ~ Multinomial(6, {p})")
        d.put(name, rows, lambda _: d.rng.multinomial(6, np.full(k, 1 / k)))


def _normal(d: Latents, g: Plate, rows: Plate, over: list[Ref]) -> None:
    d.latent(g, d.normal(d.table("real", over), 0, over))
    dist = d.normal(_latest(d, rows), 0, _own(g, rows, over))
    d.observe_as(rows, "", dist, lambda _: 2 * d.rng.normal())


PAIRS: dict[str, Callable[[Latents, Plate, Plate, list[Ref]], None]] = {
    "gamma rate": _gamma_rate,
    "gamma precision": _gamma_precision,
    "variance": _variance,
    "beta": _beta,
    "dirichlet": _dirichlet,
    "normal": _normal,
}


def _scaled(d: Latents) -> None:
    """Normal latents and data that share a gamma precision."""
    n = d.plate("n", None, 3)
    over = [d.discrete(n)] if d.chance(0.2) else []
    _gamma(d, n, [])
    u = _latest(d, n)
    shared = d.chance(0.5)
    z = d.latent(n, f"Normal(0, precision = {u})" if shared else "Normal(0, 1)")
    if d.chance(0.5):
        mean = d.mean(n, over, [z], 0)
        dist = f"Normal({mean}, var = {d.table('positive', over)} / {u})"
        d.observe_as(n, "", dist, lambda _: 2 * d.rng.normal())
        return
    mean, name = d.mean(n, over, [z], 2), d.name("x")
    scale = d.table("posdef", [], ("2",))
    n.lines.append(f"data {name}[{n.at()}] : real[2] ~ MvNormal({mean}, {scale} / {u})")
    d.put(name, n, lambda _: 2 * d.rng.normal(size=2))


KINDS: dict[str, Callable[[Latents], None]] = {
    "rows": _rows,
    "groups": _groups,
    "crossed": _crossed,
    "nested": _nested,
    "global": _global,
    "chains": _chains,
    "conjugate": _conjugate,
    "scaled": _scaled,
}
