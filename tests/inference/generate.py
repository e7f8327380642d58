"""Random small models as text, with data and parameters: what the compiler was not written for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

N = 8


@dataclass
class Draft:
    """A model file being written, with its random data and parameters."""

    rng: np.random.Generator
    consts: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    data: dict[str, NDArray[Any]] = field(default_factory=dict)
    latents: list[tuple[str, str, int]] = field(default_factory=list)  # name, extent, values
    hyper: dict[str, int] = field(default_factory=dict)
    declared: list[tuple[str, str]] = field(default_factory=list)  # scalar kind, reference

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def some(self, most: int = 2) -> list[tuple[str, str, int]]:
        """A random subset of the latents so far, in random order."""
        count = int(self.rng.integers(0, min(most, len(self.latents)) + 1))
        picked = self.rng.permutation(len(self.latents))[:count]
        return [self.latents[i] for i in picked]

    def hidden(self) -> list[tuple[str, str, int]]:
        return [z for z in self.latents if z[0] not in self.data]

    # -- parameters --

    def param(
        self, name: str, over: list[tuple[str, str, int]], kind: str, event: tuple[int, ...] = ()
    ) -> str:
        """Declare a parameter indexed by latents; the reference to it."""
        known = [ref for k, ref in self.declared if k == kind]
        if not event and known and self.chance(0.15):  # tied: one parameter in several nodes
            return str(self.rng.choice(known))
        batch = ", ".join(extent for _, extent, _ in over)
        shape = ", ".join(map(str, event[:1] if kind in ("posdef", "orthogonal") else event))
        declared = f"{name}[{batch}]" if batch else name
        typed = f"{kind}[{shape}]" if shape else kind
        self.params.append(f"param {declared} : {typed}{self.prior(kind, event)}")
        size = (*(k for _, _, k in over), *event)
        self.values[name] = self.value(kind, size)
        places = ", ".join(f"{z}[n]" for z, _, _ in over)
        ref = f"{name}[{places}]" if over else name
        if not event:
            self.declared.append((kind, ref))
        return ref

    def prior(self, kind: str, event: tuple[int, ...]) -> str:
        """Now and then a prior whose update stays closed."""
        if not self.chance(0.15):
            return ""
        return {
            "real": " ~ Normal(0.5, 2)",
            "positive": " ~ Gamma(2, 1)",
            "unit": " ~ Beta(2, 3)",
            "simplex": f" ~ Dirichlet(2 * ones[{event[-1] if event else 1}])",
            "posdef": " ~ InverseWishart(4, eye[2])",
            "shape": "",
            "orthogonal": "",
        }[kind]

    def value(self, kind: str, size: tuple[int, ...]) -> NDArray[Any]:
        rng = self.rng
        match kind:
            case "simplex":
                return rng.dirichlet(np.full(size[-1], 3.0), size=size[:-1])
            case "unit":
                return rng.uniform(0.2, 0.8, size)
            case "positive":
                return rng.uniform(0.6, 2.5, size)
            case "posdef":
                root = rng.normal(size=(*size[:-1], 4))
                return root @ np.swapaxes(root, -1, -2) + 0.5 * np.eye(size[-1])
            case "shape":
                logs = rng.normal(size=size)
                return np.exp(logs - logs.mean(axis=-1, keepdims=True))
            case "orthogonal":
                return np.linalg.qr(rng.normal(size=size))[0]
            case _:
                return rng.normal(size=size)

    # -- nodes --

    def latent(self, i: int) -> None:
        name = f"z{i}"
        parents = self.some()
        if self.chance(0.3):
            p = self.param(f"p{i}", parents, "unit")
            role = "data" if self.chance(0.25) else "latent"
            typed = " : bool" if role == "data" else ""
            self.body.append(f"{role} {name}[n]{typed} ~ Bernoulli({p})")
            self.latents.append((name, "2", 2))
        else:
            k = int(self.rng.integers(2, 4))
            if self.chance(0.15):
                self.gate(name, k)
                return
            extent = f"K{i}" if self.chance(0.6) else str(k)
            if not extent.isdigit():
                self.hyper[extent] = k
            p = self._simplex(f"p{i}", parents, extent, k)
            role = "data" if self.chance(0.25) else "latent"
            typed = f" : category[{extent}]" if role == "data" else ""
            self.body.append(f"{role} {name}[n]{typed} ~ Categorical({p})")
            self.latents.append((name, extent, k))
        if role == "data":
            k = self.latents[-1][2]
            seen = self.rng.integers(0, k, N).astype(float)
            seen[self.rng.random(N) < 0.5] = np.nan
            self.data[name] = seen

    def gate(self, name: str, k: int) -> None:
        """A latent whose odds depend on covariates, and perhaps on another latent."""
        self.inputs(f"v_{name}", " : real[2]", self.rng.normal(size=(N, 2)))
        scores = self.shrunk(f"gate_{name}", self.some(1), (k, 2))
        self.body.append(f"latent {name}[n] ~ Categorical(softmax({scores} @ v_{name}[n]))")
        self.latents.append((name, str(k), k))

    def _simplex(self, name: str, over: list[tuple[str, str, int]], extent: str, k: int) -> str:
        p = self.param(name, over, "simplex", (k,))
        head, kind = self.params[-1].split(" : ")
        self.params[-1] = f"{head} : {kind.replace(f'[{k}]', f'[{extent}]')}"
        return p

    def normal(self, name: str) -> str:
        """A normal in one of several parametrisations."""
        mean = self.mean(name)
        scale = self.param(f"scale_{name}", self.some(), "positive")
        form = str(self.rng.choice(["{}", "var = {}", "precision = {}"]))
        return f"Normal({mean}, {form.format(scale)})"

    def predictor(self, name: str) -> str:
        """A location of data and coefficients, for what has no closed M-step."""
        self.inputs(f"u_{name}", " : real[2]", self.rng.normal(size=(N, 2)))
        slope = self.shrunk(f"slope_{name}", self.some(1), (2,))
        level = self.shrunk(f"level_{name}", self.some(1), ())
        return f"{level} + dot({slope}, u_{name}[n])"

    def shrunk(self, name: str, over: list[tuple[str, str, int]], event: tuple[int, ...]) -> str:
        """Coefficients whose maximum a prior keeps finite, however few the data."""
        ref = self.param(name, over, "real", event)
        if self.params[-1].startswith(f"param {name}") and " ~ " not in self.params[-1]:
            self.params[-1] += " ~ Normal(0, 1)"
        return ref

    def mean(self, name: str) -> str:
        """A location: an entry, a sum of effects, a regression, a choice, a gather."""
        case = int(self.rng.integers(0, 8))
        one = self.param(f"mean_{name}", self.some(), "real") if case not in (2, 3) else ""
        match case:
            case 0:
                return f"{one} + {self.param(f'shift_{name}', self.some(), 'real')}"
            case 1:
                self.inputs(f"u_{name}", " : real", self.rng.normal(size=N))
                return f"{one} + {self.param(f'shift_{name}', self.some(), 'real')} * u_{name}[n]"
            case 2:
                self.inputs(f"v_{name}", " : real[2]", self.rng.normal(size=(N, 2)))
                return f"dot({self.param(f'slope_{name}', self.some(), 'real', (2,))}, v_{name}[n])"
            case 3:
                self.inputs(f"g_{name}", f" : index[G_{name}]", np.arange(N) % 3)
                self.params.append(f"param e_{name}[G_{name}] : real")
                self.values[f"e_{name}"] = self.rng.normal(size=3)
                return f"e_{name}[g_{name}[n]]"
            case 4 if self.latents:
                z, _, k = self.latents[int(self.rng.integers(len(self.latents)))]
                two = self.param(f"shift_{name}", [], "real")
                return f"({one} if {z}[n] == {k - 1} else {two} + 1)"
            case 5:
                return f"2 * {one} - 1"
            case _:
                return one

    def inputs(self, name: str, typed: str, x: NDArray[Any]) -> None:
        self.body.append(f"input {name}[n]{typed}")
        self.data[name] = np.asarray(x, dtype=float)

    def emission(self, i: int) -> None:
        name, rng = f"x{i}", self.rng
        kinds = ["normal", "poisson", "categorical", "mvnormal", "bernoulli", "choice", "delta",
                 "vector", "items", "exponential", "binomial", "inflated", "turned",
                 "curved", "curved", "curved"]  # fmt: skip
        match str(rng.choice(kinds)):
            case "normal":
                self.put(name, "", self.normal(name), rng.normal(size=N) * 2, gaps=True)
            case "exponential":
                rate = self.param(f"rate_{name}", self.some(), "positive")
                self.put(name, "", f"Exponential({rate})", rng.exponential(size=N), gaps=True)
            case "poisson":
                rate = self.param(f"rate_{name}", self.some(), "positive")
                self.put(name, " : count", f"Poisson({rate})", rng.poisson(2.0, N), gaps=True)
            case "binomial":
                p = self.param(f"prob_{name}", self.some(), "unit")
                self.put(name, " : count", f"Binomial(5, {p})", rng.binomial(5, 0.5, N), gaps=True)
            case "categorical":
                p = self.param(f"prob_{name}", self.some(), "simplex", (3,))
                x = rng.integers(0, 3, N)
                self.put(name, " : category[3]", f"Categorical({p})", x, gaps=True)
            case "bernoulli":
                p = self.param(f"prob_{name}", self.some(), "unit", (2,))
                x = rng.integers(0, 2, (N, 2))
                self.put(name, " : bool[2]", f"Bernoulli({p})", x, gaps=True)
            case "mvnormal":
                mean = self.param(f"mean_{name}", self.some(), "real", (2,))
                cov = self.param(f"cov_{name}", self.some(1), "posdef", (2, 2))
                x = rng.normal(size=(N, 2)) * 2
                if self.chance(0.3):
                    x[int(rng.integers(N))] = np.nan
                self.put(name, " : real[2]", f"MvNormal({mean}, {cov})", x)
            case "turned":
                mean = self.param(f"mean_{name}", self.some(), "real", (3,))
                volume = self.param(f"volume_{name}", self.some(1), "positive")
                shape = self.param(f"shape_{name}", self.some(1), "shape", (3,))
                turn = self.param(f"turn_{name}", self.some(1), "orthogonal", (3, 3))
                cov = f"{volume} * {turn} @ diag({shape}) @ transpose({turn})"
                x = rng.normal(size=(N, 3)) * [1, 2, 3]
                self.put(name, " : real[3]", f"MvNormal({mean}, {cov})", x)
            case "vector":
                mean = self.param(f"mean_{name}", self.some(), "real", (3,))
                event = (3,) if self.chance(0.5) else ()
                sd = self.param(f"scale_{name}", self.some(), "positive", event)
                x = rng.normal(size=(N, 3)) * 2
                self.put(name, " : real[3]", f"Normal({mean}, {sd})", x, gaps=True)
            case "items":
                self.items(name, i)
            case "curved":
                self.curved(name)
            case "inflated" if self.hidden():
                z, _, k = self.hidden()[0]
                rate = self.param(f"rate_{name}", self.some(), "positive")
                test = f"{z}[n] == {int(rng.integers(k))}"
                self.put(name, " : count", f"Poisson({rate}) if {test} else Delta(0)",
                         rng.poisson(0.7, N) * (rng.random(N) < 0.5))  # fmt: skip
            case "choice" if self.latents:
                z, _, k = self.latents[int(rng.integers(len(self.latents)))]
                one, two = self.normal(f"{name}a"), self.normal(f"{name}b")
                test = f"{z}[n] == {int(rng.integers(k))}"
                self.put(name, " : real", f"{one} if {test} else {two}", rng.normal(size=N),
                         gaps=True)  # fmt: skip
            case "delta" if [z for z in self.hidden() if z[1].isdigit()]:
                self.delta(name)
            case _:
                self.put(name, "", self.normal(name), rng.normal(size=N) * 2, gaps=True)

    def curved(self, name: str) -> None:
        """Data whose parameters have no closed M-step."""
        rng = self.rng
        match str(rng.choice(["logistic", "log-linear", "gamma", "scattered"])):
            case "logistic":
                dist = f"Bernoulli(logit = {self.predictor(name)})"
                self.put(name, " : bool", dist, rng.integers(0, 2, N), gaps=True)
            case "log-linear":
                dist = f"Poisson(log = {self.predictor(name)})"
                self.put(name, " : count", dist, rng.poisson(2.0, N), gaps=True)
            case "gamma":
                shape = self.param(f"shape_{name}", self.some(1), "positive")
                rate = self.param(f"rate_{name}", self.some(), "positive")
                x = rng.gamma(2.0, size=N)
                self.put(name, "", f"Gamma({shape}, {rate})", x, gaps=True)
            case _:
                log_sd = self.predictor(name)
                mean = self.param(f"mean_{name}", self.some(1), "real")
                self.put(name, "", f"Normal({mean}, exp({log_sd}))", rng.normal(size=N), gaps=True)

    def items(self, name: str, i: int) -> None:
        """A plate of items inside the element, each with a table of its own."""
        over = self.some()
        self.params.append(
            f"param prob_{name}[{', '.join([f'J{i}', *(e for _, e, _ in over)])}] : simplex[3]"
        )
        self.values[f"prob_{name}"] = self.value("simplex", (2, *(k for _, _, k in over), 3))
        places = ", ".join([f"j{i}", *(f"{z}[n]" for z, _, _ in over)])
        self.body.append(f"for j{i} in J{i}:")
        self.body.append(
            f"    data {name}[n, j{i}] : category[3] ~ Categorical(prob_{name}[{places}])"
        )
        x = self.rng.integers(0, 3, (N, 2)).astype(float)
        x[self.rng.random(x.shape) < 0.2] = np.nan
        self.data[name] = x

    def delta(self, name: str) -> None:
        """A value that a table gives exactly; the data are values that the table has."""
        over = [z for z in self.hidden() if z[1].isdigit()][:2]
        shape = tuple(k for _, _, k in over)
        table = self.rng.integers(0, 3, shape)
        table.flat[0], table.flat[-1] = 0, 2
        self.consts.append(f"const t_{name} = {table.tolist()}")
        places = ", ".join(f"{z}[n]" for z, _, _ in over)
        x = self.rng.choice(table.reshape(-1), N).astype(float)
        if self.chance(0.5):
            x[int(self.rng.integers(N))] = np.nan
        self.data[name] = x
        self.body.append(f"data {name}[n] : category[3] ~ Delta(t_{name}[{places}])")

    def put(self, name: str, typed: str, dist: str, x: NDArray[Any], *, gaps: bool = False) -> None:
        x = np.asarray(x, dtype=float)
        if gaps and self.chance(0.5):
            x[self.rng.random(x.shape) < 0.3] = np.nan
        self.data[name] = x
        self.body.append(f"data {name}[n]{typed} ~ {dist}")


def draft(seed: int) -> Draft:
    """A model with one to three discrete latents and one to three emissions."""
    d = Draft(np.random.default_rng(seed))
    for i in range(int(d.rng.integers(1, 4))):
        d.latent(i)
    for i in range(int(d.rng.integers(1, 4))):
        d.emission(i)
    weight = ""
    if d.chance(0.4):
        weight = " times w[n]"
        d.data["w"] = d.rng.integers(0, 4, N) + d.rng.integers(0, 2) * 0.5
    header = ", ".join(f"{name} = {k}" for name, k in d.hyper.items())
    d.params.insert(0, f"model Drawn({header})" if header else "model Drawn")
    d.body = [f"for n in N{weight}:", *(f"    {line}" for line in d.body)]
    return d


def text(d: Draft) -> str:
    return "\n".join([*d.params[:1], *d.consts, *d.params[1:], *d.body]) + "\n"
