"""Objectives written by hand, for the maximiser: values, gradients and Hessians in NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from emdsl.runtime.newton import Slopes


@dataclass
class Counted:
    """Counts calls, and keeps the values that were asked for."""

    calls: dict[str, int] = field(
        default_factory=lambda: {"value": 0, "slopes": 0, "hessian": 0}, init=False
    )

    def _count(self, what: str) -> None:
        self.calls[what] += 1


@dataclass
class Logistic(Counted):
    """Weighted logistic regressions, beta (*batch, P): w (*batch, N)."""

    x: Any
    y: Any
    w: Any
    ridge: float = 0.0

    def value(self, point: Any) -> Any:
        self._count("value")
        eta = point[0] @ self.x.T
        part = (self.w * (self.y * eta - np.logaddexp(0.0, eta))).sum(-1)
        return part - 0.5 * self.ridge * (point[0] ** 2).sum(-1)

    def slopes(self, point: Any, second: bool) -> Slopes:
        self._count("slopes")
        p = special.expit(point[0] @ self.x.T)
        g = (self.w * (self.y - p)) @ self.x - self.ridge * point[0]
        if not second:
            return Slopes((g,))
        self._count("hessian")
        h = -np.einsum("...n,np,nq->...pq", self.w * p * (1 - p), self.x, self.x)
        h = h - self.ridge * np.eye(self.x.shape[1])
        return Slopes((g,), ((h,),))


@dataclass
class Softmax(Counted):
    """Softmax regression with weights for every class, W (K, P); r (N, K) are weights."""

    x: Any
    r: Any
    ridge: float = 0.0

    def value(self, point: Any) -> Any:
        self._count("value")
        eta = self.x @ point[0].T
        fit = self.r * (eta - special.logsumexp(eta, axis=1, keepdims=True))
        return np.asarray(fit.sum() - 0.5 * self.ridge * (point[0] ** 2).sum())

    def slopes(self, point: Any, second: bool) -> Slopes:
        self._count("slopes")
        p = special.softmax(self.x @ point[0].T, axis=1)
        total = self.r.sum(1, keepdims=True)
        g = (self.r - total * p).T @ self.x - self.ridge * point[0]
        if not second:
            return Slopes((g,))
        k, d = point[0].shape
        both = total[..., None] * (p[:, :, None] * p[:, None, :] - np.eye(k) * p[:, :, None])
        h = np.einsum("nkl,np,nq->kplq", both, self.x, self.x)
        h -= self.ridge * np.eye(k * d).reshape(k, d, k, d)
        return Slopes((g,), ((h,),))


@dataclass
class Gammas(Counted):
    """Gamma shape and rate, (*batch): n log densities with mean log m_log and mean m."""

    n: Any
    log: Any
    mean: Any

    def value(self, point: Any) -> Any:
        self._count("value")
        a, b = point
        return self.n * (a * np.log(b) - special.gammaln(a) + (a - 1) * self.log - b * self.mean)

    def slopes(self, point: Any, second: bool) -> Slopes:
        self._count("slopes")
        a, b = point
        g = (self.n * (np.log(b) - special.digamma(a) + self.log), self.n * (a / b - self.mean))
        if not second:
            return Slopes(g)
        aa = -self.n * special.polygamma(1, a)
        return Slopes(g, ((aa, self.n / b), (self.n / b, -self.n * a / b**2)))


@dataclass
class Dirichlet(Counted):
    """Dirichlet concentrations, (*batch, K), from the mean logs of n points."""

    n: float
    logs: Any

    def value(self, point: Any) -> Any:
        self._count("value")
        a = point[0]
        inner = special.gammaln(a.sum(-1)) - special.gammaln(a).sum(-1)
        return self.n * (inner + ((a - 1) * self.logs).sum(-1))

    def slopes(self, point: Any, second: bool) -> Slopes:
        self._count("slopes")
        a = point[0]
        total = a.sum(-1, keepdims=True)
        g = self.n * (special.digamma(total) - special.digamma(a) + self.logs)
        if not second:
            return Slopes((g,))
        k = a.shape[-1]
        h = special.polygamma(1, total)[..., None] - np.eye(k) * special.polygamma(1, a)[..., None]
        return Slopes((g,), ((self.n * h,),))


@dataclass
class VonMises(Counted):
    """Concentrations, (*batch): n * (kappa r - log I0(kappa))."""

    n: Any
    r: Any

    def value(self, point: Any) -> Any:
        self._count("value")
        k = point[0]
        return self.n * (k * self.r - np.log(special.i0e(k)) - k)

    def slopes(self, point: Any, second: bool) -> Slopes:
        self._count("slopes")
        k = point[0]
        a = special.i1e(k) / special.i0e(k)
        ratio = np.where(k > 0, a / np.where(k > 0, k, 1), 0.5)
        g = (self.n * (self.r - a),)
        return Slopes(g, ((-self.n * (1 - ratio - a * a),),) if second else None)


@dataclass
class NegativeBinomial(Counted):
    """Size r and mean mu of counts y with weights w, (*batch, N); both (*batch)."""

    y: Any
    w: Any

    def value(self, point: Any) -> Any:
        self._count("value")
        r, mu = (p[..., None] for p in point)
        one = special.gammaln(self.y + r) - special.gammaln(r) + r * np.log(r)
        one = one + self.y * np.log(mu) - (self.y + r) * np.log(r + mu)
        return (self.w * one).sum(-1)

    def slopes(self, point: Any, second: bool) -> Slopes:
        self._count("slopes")
        r, mu = (p[..., None] for p in point)
        y, w, t = self.y, self.w, r + mu
        gr = special.digamma(y + r) - special.digamma(r) + np.log(r) + 1 - np.log(t) - (y + r) / t
        gm = y / mu - (y + r) / t
        g = ((w * gr).sum(-1), (w * gm).sum(-1))
        if not second:
            return Slopes(g)
        rr = special.polygamma(1, y + r) - special.polygamma(1, r) + 1 / r - 2 / t + (y + r) / t**2
        rm = -1 / t + (y + r) / t**2
        mm = -y / mu**2 + (y + r) / t**2
        h = tuple((w * v + 0 * t).sum(-1) for v in (rr, rm, mm))
        return Slopes(g, ((h[0], h[1]), (h[1], h[2])))


@dataclass
class Student(Counted):
    """Location and scale of Student's t with 3 degrees of freedom: not concave. (*batch) each."""

    y: Any
    nu: float = 3.0

    def value(self, point: Any) -> Any:
        self._count("value")
        m, s = (p[..., None] for p in point)
        z = (self.y - m) / s
        return (-np.log(s) - 0.5 * (self.nu + 1) * np.log1p(z * z / self.nu)).sum(-1)

    def slopes(self, point: Any, second: bool) -> Slopes:
        self._count("slopes")
        m, s = (p[..., None] for p in point)
        z, nu = (self.y - m) / s, self.nu
        c = nu + 1
        d1 = -c * z / (nu + z * z)
        d2 = -c * (nu - z * z) / (nu + z * z) ** 2
        g = ((-d1 / s).sum(-1), ((-1 - d1 * z) / s).sum(-1))
        if not second:
            return Slopes(g)
        mm = (d2 / s**2).sum(-1)
        ms = ((d1 + d2 * z) / s**2).sum(-1)
        ss = ((1 + 2 * d1 * z + d2 * z * z) / s**2).sum(-1)
        return Slopes(g, ((mm, ms), (ms, ss)))


@dataclass
class Quadratic(Counted):
    """c . x + x' A x / 2 + sum of b exp(-x), any A: awkward on purpose; x of any shapes."""

    c: Any
    a: Any
    b: Any
    shapes: tuple[tuple[int, ...], ...]
    batch: int

    def _flat(self, point: Any) -> Any:
        lead = point[0].shape[: self.batch]
        return np.concatenate([p.reshape(*lead, -1) for p in point], axis=-1)

    def value(self, point: Any) -> Any:
        self._count("value")
        x = self._flat(point)
        quadratic = 0.5 * np.einsum("...i,ij,...j->...", x, self.a, x)
        return (self.c * x).sum(-1) + quadratic - (self.b * np.exp(-x)).sum(-1)

    def slopes(self, point: Any, second: bool) -> Slopes:
        self._count("slopes")
        x = self._flat(point)
        g = self.c + x @ self.a + self.b * np.exp(-x)
        h = self.a - np.eye(len(self.a)) * (self.b * np.exp(-x))[..., None]
        widths = [int(np.prod(s[self.batch :])) for s in self.shapes]
        at = [slice(e - w, e) for e, w in zip(np.cumsum(widths), widths, strict=True)]
        own = [s[self.batch :] for s in self.shapes]
        lead = x.shape[:-1]
        gradient = tuple(g[..., i].reshape(*lead, *o) for i, o in zip(at, own, strict=True))
        if not second:
            return Slopes(gradient)
        return Slopes(
            gradient,
            tuple(
                tuple(h[..., i, j].reshape(*lead, *o, *p) for j, p in zip(at, own, strict=True))
                for i, o in zip(at, own, strict=True)
            ),
        )


@dataclass
class Poisson(Counted):
    """Poisson regressions with an offset, beta (*batch, P)."""

    x: Any
    y: Any
    offset: Any = 0.0

    def value(self, point: Any) -> Any:
        self._count("value")
        eta = point[0] @ self.x.T + self.offset
        return (self.y * eta - np.exp(eta)).sum(-1)

    def slopes(self, point: Any, second: bool) -> Slopes:
        self._count("slopes")
        mean = np.exp(point[0] @ self.x.T + self.offset)
        g = (self.y - mean) @ self.x
        if not second:
            return Slopes((g,))
        return Slopes((g,), ((-np.einsum("...n,np,nq->...pq", mean, self.x, self.x),),))
