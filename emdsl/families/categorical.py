"""Families on finitely many values, and the point mass."""

from __future__ import annotations

from sympy import Eq, Expr, Gt, Integer, exp, log, loggamma

from emdsl.families.cumulative import LogNdtr
from emdsl.families.family import (
    Alternative,
    Drawn,
    Family,
    Parameter,
    Representation,
    V,
    symbol,
)
from emdsl.families.vocabulary import At, Dim, LogIndicator, Total

_BOOL = symbol("x", "bool")
_CATEGORY = symbol("x", "category")
_COUNT = symbol("x", "count")
_INT = symbol("x", "int")
_PROB = Parameter("p", "unit", doc="the probability of 1")
_LOGIT = Parameter("logit", "real", doc="log p - log(1 - p)")
_PROBIT = Parameter("probit", "real", doc="p is the normal distribution function of it")
_PROBS = Parameter("p", "simplex", event=1, doc="the probabilities")
_LOGITS = Parameter("logit", "real", event=1, doc="log p up to a constant: p = softmax(logit)")
_N = Parameter("n", "count", doc="the number of trials: the counts' total where left out")
_VALUE = Parameter("value", "int", doc="the one value")

_prob, _probs, _logit, _logits, _n = (p.symbol for p in (_PROB, _PROBS, _LOGIT, _LOGITS, _N))

BERNOULLI = Family(
    name="Bernoulli",
    doc="One trial. Johnson, Kemp and Kotz 2005, chapter 3.",
    variable=_BOOL,
    kind="bool",
    parameters=(_PROB,),
    log_density=_BOOL * log(_prob) + (1 - _BOOL) * log(1 - _prob),
    alternatives=(
        Alternative(
            (_LOGIT,),
            (("p", 1 / (1 + exp(-_logit))),),
            _BOOL * _logit - log(1 + exp(_logit)),
        ),
        # Phi(-e) is 1 - Phi(e): of a yes the first, of a no the other. Bliss 1934.
        Alternative(
            (_PROBIT,),
            (("p", exp(LogNdtr(_PROBIT.symbol))),),
            LogNdtr((2 * _BOOL - 1) * _PROBIT.symbol),
        ),
    ),
    sampler="bernoulli",
    values=Integer(2),
    representations=(
        # Albert and Chib, J. Am. Stat. Assoc. 88 (1993).
        Representation(
            ("probit",),
            "score",
            Drawn("Normal", (("mean", _PROBIT.symbol), ("sd", Integer(1)))),
            Drawn("Delta", (("value", Gt(V, 0)),)),
            "where data are separated, as those of one component may be, EM over it creeps "
            "outwards for ever, while Newton's method on the density as written sees that",
        ),
    ),
)

CATEGORICAL = Family(
    name="Categorical",
    doc="One of 0..K-1. Bishop 2006, (2.26).",
    variable=_CATEGORY,
    kind="category",
    parameters=(_PROBS,),
    log_density=log(At(_probs, _CATEGORY)),
    alternatives=(
        Alternative(
            (_LOGITS,),
            (("p", exp(_logits) / Total(exp(_logits))),),
            At(_logits, _CATEGORY) - log(Total(exp(_logits))),
        ),
    ),
    sampler="categorical",
    values=Dim(_probs),
)

_SOFTMAX = exp(_logits) / Total(exp(_logits))


def _of_logits(n: Expr) -> Expr:
    return (
        loggamma(n + 1)
        - Total(loggamma(_COUNT + 1))
        + Total(_COUNT * _logits)
        - n * log(Total(exp(_logits)))
    )


MULTINOMIAL = Family(
    name="Multinomial",
    # SciPy's order. Stan reads n off the counts: so does leaving it out, Multinomial(p = theta).
    doc="Counts of n categorical draws. Johnson, Kotz and Balakrishnan 1997, chapter 35.",
    variable=_COUNT,
    kind="count",
    parameters=(_N, _PROBS),
    log_density=loggamma(_n + 1) - Total(loggamma(_COUNT + 1)) + Total(_COUNT * log(_probs)),
    event=1,
    alternatives=(
        Alternative((), (("n", Total(_COUNT)),)),
        Alternative((_LOGITS,), (("p", _SOFTMAX),), _of_logits(_n)),
        Alternative((_LOGITS,), (("n", Total(_COUNT)), ("p", _SOFTMAX)), _of_logits(Total(_COUNT))),
    ),
    condition=Eq(Total(_COUNT), _n),
    sampler="multinomial",
)

DELTA = Family(
    name="Delta",
    # Discrete, since a point mass cannot be weighed against a density.
    doc="All mass on one whole number.",
    variable=_INT,
    kind="int",
    parameters=(_VALUE,),
    log_density=LogIndicator(Eq(_INT, _VALUE.symbol)),
    sampler="delta",
)
