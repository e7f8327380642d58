"""Families of counts."""

from __future__ import annotations

from sympy import exp, log, loggamma

from emdsl.families.family import Alternative, Family, Parameter, symbol

_x = symbol("x", "count")
_P = Parameter("p", "unit", doc="the probability of success")
_TRIALS = Parameter("n", "count", doc="the number of trials, known")
_SIZE = Parameter("n", "positive", doc="the number of successes waited for, any positive number")
_RATE = Parameter("rate", "positive", doc="the mean")
_LOG = Parameter("log", "real", doc="the log of the mean")
_LOGIT = Parameter("logit", "real", doc="log p - log(1 - p)")
_ALPHA = Parameter("alpha", "positive", doc="the shape of the rate's Gamma")
_BETA = Parameter("beta", "positive", doc="the rate of the rate's Gamma")
_MU = Parameter("mu", "positive", doc="the mean")
_PHI = Parameter("phi", "positive", doc="the variance is mu + mu^2 / phi")

_p, _trials, _size, _rate, _logit = (p.symbol for p in (_P, _TRIALS, _SIZE, _RATE, _LOGIT))
_alpha, _beta, _mu, _phi = (p.symbol for p in (_ALPHA, _BETA, _MU, _PHI))

_CHOOSE = loggamma(_trials + 1) - loggamma(_x + 1) - loggamma(_trials - _x + 1)

BINOMIAL = Family(
    name="Binomial",
    doc="Successes among n trials. Johnson, Kemp and Kotz 2005, chapter 3.",
    variable=_x,
    kind="count",
    parameters=(_TRIALS, _P),
    log_density=_CHOOSE + _x * log(_p) + (_trials - _x) * log(1 - _p),
    alternatives=(
        Alternative(
            (_LOGIT,),
            (("p", 1 / (1 + exp(-_logit))),),
            _CHOOSE + _x * _logit - _trials * log(1 + exp(_logit)),
        ),
    ),
    condition=_x <= _trials,
    sampler="binomial",
    values=_trials + 1,
)

GEOMETRIC = Family(
    name="Geometric",
    # From 0, as in R and as Stan's neg_binomial at alpha = 1; SciPy's counts the last trial too.
    doc="Failures before the first success, from 0. Johnson, Kemp and Kotz 2005, section 5.2.",
    variable=_x,
    kind="count",
    parameters=(_P,),
    log_density=log(_p) + _x * log(1 - _p),
    alternatives=(
        Alternative(
            (_LOGIT,),
            (("p", 1 / (1 + exp(-_logit))),),
            _logit - (_x + 1) * log(1 + exp(_logit)),
        ),
    ),
    sampler="geometric",
)

POISSON = Family(
    name="Poisson",
    doc="The Poisson. Johnson, Kemp and Kotz 2005, chapter 4.",
    variable=_x,
    kind="count",
    parameters=(_RATE,),
    log_density=_x * log(_rate) - _rate - loggamma(_x + 1),
    alternatives=(Alternative((_LOG,), (("rate", exp(_LOG.symbol)),)),),
    sampler="poisson",
)

NEGATIVE_BINOMIAL = Family(
    name="NegativeBinomial",
    doc="Failures before success n; a Poisson of Gamma rate. Johnson et al. 2005, chapter 5.",
    variable=_x,
    kind="count",
    parameters=(_SIZE, _P),
    log_density=loggamma(_x + _size)
    - loggamma(_size)
    - loggamma(_x + 1)
    + _size * log(_p)
    + _x * log(1 - _p),
    alternatives=(
        # Stan's neg_binomial and neg_binomial_2.
        Alternative(
            (_ALPHA, _BETA),
            (("n", _alpha), ("p", _beta / (1 + _beta))),
            loggamma(_x + _alpha)
            - loggamma(_alpha)
            - loggamma(_x + 1)
            + _alpha * log(_beta)
            - (_x + _alpha) * log(1 + _beta),
        ),
        Alternative(
            (_MU, _PHI),
            (("n", _phi), ("p", _phi / (_mu + _phi))),
            loggamma(_x + _phi)
            - loggamma(_phi)
            - loggamma(_x + 1)
            + _phi * log(_phi)
            + _x * log(_mu)
            - (_x + _phi) * log(_mu + _phi),
        ),
    ),
    sampler="negative_binomial",
)
