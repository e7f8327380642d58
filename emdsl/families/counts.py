"""Families of counts."""

from __future__ import annotations

from sympy import Expr, exp, log, loggamma

from emdsl.families.cumulative import LogGammaP, LogGammaQ, LogNdtr, LogOneLess
from emdsl.families.family import (
    Alternative,
    Drawn,
    Family,
    Parameter,
    Representation,
    U,
    symbol,
)
from emdsl.families.vocabulary import LogRising

_x = symbol("x", "count")
_P = Parameter("p", "unit", doc="the probability of success")
_TRIALS = Parameter("n", "count", doc="the number of trials, known")
_SIZE = Parameter("n", "positive", doc="the number of successes waited for, any positive number")
_RATE = Parameter("rate", "positive", doc="the mean")
_LOG = Parameter("log", "real", doc="the log of the mean")
_LOGIT = Parameter("logit", "real", doc="log p - log(1 - p)")
_PROBIT = Parameter("probit", "real", doc="p is the normal distribution function of it")
_ALPHA = Parameter("alpha", "positive", doc="the shape of the rate's Gamma")
_BETA = Parameter("beta", "positive", doc="the rate of the rate's Gamma")
_MU = Parameter("mu", "positive", doc="the mean")
_MEAN = Parameter("mean", "positive", doc="the mean")
_SHAPE = Parameter("shape", "positive", doc="the variance is mean + mean^2 / shape")
_DISPERSION = Parameter("dispersion", "positive", doc="1 / shape")
_A = Parameter("alpha", "positive", doc="one more than the power of the chance's Beta")
_B = Parameter("beta", "positive", doc="one more than the power of 1 - the chance")
_CHANCE = Parameter("mean", "unit", doc="the mean chance, alpha / (alpha + beta)")
_LOGIT_CHANCE = Parameter("logit", "real", doc="log mean - log(1 - mean)")
_PRECISION = Parameter("precision", "positive", doc="alpha + beta")
_PHI = Parameter("phi", "positive", doc="the variance is mu + mu^2 / phi")

_p, _trials, _size, _rate, _logit = (p.symbol for p in (_P, _TRIALS, _SIZE, _RATE, _LOGIT))
_probit = _PROBIT.symbol
_alpha, _beta, _mu, _phi = (p.symbol for p in (_ALPHA, _BETA, _MU, _PHI))
_log, _mean, _shape, _dispersion = (p.symbol for p in (_LOG, _MEAN, _SHAPE, _DISPERSION))

_chance, _precision = _CHANCE.symbol, _PRECISION.symbol
_logistic = 1 / (1 + exp(-_logit))
_against = 1 / (1 + exp(_logit))  # 1 - logistic, where that would be 0 from a logit of 37 on

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
        Alternative(
            (_PROBIT,),
            (("p", exp(LogNdtr(_probit))),),
            _CHOOSE + _x * LogNdtr(_probit) + (_trials - _x) * LogNdtr(-_probit),
        ),
    ),
    condition=_x <= _trials,
    sampler="binomial",
    values=_trials + 1,
)


def _of_a_chance(names: tuple[str, ...], a: Expr, b: Expr) -> Representation:
    """Skellam, J. R. Stat. Soc. B 10 (1948)."""
    return Representation(
        ("n", *names),
        "chance",
        Drawn("Beta", (("alpha", a), ("beta", b))),
        Drawn("Binomial", (("n", _trials), ("p", U))),
    )


def _beta_binomial(a: Expr, b: Expr, total: Expr) -> Expr:
    """The log mass by the chance's two powers and their sum."""
    return _CHOOSE + LogRising(a, _x) + LogRising(b, _trials - _x) - LogRising(total, _trials)


BETA_BINOMIAL = Family(
    name="BetaBinomial",
    doc="A binomial whose chance of success is drawn from a Beta. Johnson et al. 2005, 6.2.2.",
    variable=_x,
    kind="count",
    parameters=(_TRIALS, _A, _B),
    log_density=_beta_binomial(_alpha, _beta, _alpha + _beta),
    alternatives=(
        Alternative(
            (_CHANCE, _PRECISION),
            (("alpha", _chance * _precision), ("beta", (1 - _chance) * _precision)),
            _beta_binomial(_chance * _precision, (1 - _chance) * _precision, _precision),
        ),
        Alternative(
            (_LOGIT_CHANCE, _PRECISION),
            (("alpha", _logistic * _precision), ("beta", _against * _precision)),
            _beta_binomial(_logistic * _precision, _against * _precision, _precision),
        ),
    ),
    condition=_x <= _trials,
    sampler="beta_binomial",
    values=_trials + 1,
    representations=(
        _of_a_chance(("alpha", "beta"), _alpha, _beta),
        _of_a_chance(("mean", "precision"), _chance * _precision, (1 - _chance) * _precision),
        _of_a_chance(("logit", "precision"), _logistic * _precision, _against * _precision),
    ),
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
    log_cdf=LogOneLess(-(_x + 1) * log(1 - _p)),
    log_survival=(_x + 1) * log(1 - _p),
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
    log_cdf=LogGammaQ(_x + 1, _rate),
    log_survival=LogGammaP(_x + 1, _rate),
    sampler="poisson",
)


def _of_shape(shape: Expr, log_mean: Expr, mean: Expr) -> Expr:
    """The log mass by mean and shape; with 1 / dispersion for a shape, by the dispersion.

    (mean / (mean + shape))^x is written with log mean apart: it is what a regression is linear in.
    """
    return (
        LogRising(shape, _x)
        - loggamma(_x + 1)
        - shape * log(1 + mean / shape)
        + _x * log_mean
        - _x * log(mean + shape)
    )


def _of_dispersion(log_mean: Expr, mean: Expr) -> Expr:
    return (
        LogRising(1 / _dispersion, _x)
        - loggamma(_x + 1)
        + _x * log(_dispersion)
        + _x * log_mean
        - (_x + 1 / _dispersion) * log(1 + _dispersion * mean)
    )


def _by_mean(mean: Expr, shape: Expr) -> tuple[tuple[str, Expr], ...]:
    return ("n", shape), ("p", shape / (mean + shape))


def _of_a_rate(names: tuple[str, ...], shape: Expr, rate: Expr, given: Drawn) -> Representation:
    """Greenwood and Yule, J. R. Stat. Soc. 83 (1920)."""
    return Representation(
        names,
        "rate",
        Drawn("Gamma", (("shape", shape), ("rate", rate))),
        given,
    )


def _poisson(rate: Expr) -> Drawn:
    return Drawn("Poisson", (("rate", rate),))


_LOG_POISSON = Drawn("Poisson", (("log", _log + log(U)),))

NEGATIVE_BINOMIAL = Family(
    name="NegativeBinomial",
    doc="Failures before success n; a Poisson of Gamma rate. Johnson et al. 2005, chapter 5.",
    variable=_x,
    kind="count",
    parameters=(_SIZE, _P),
    log_density=LogRising(_size, _x) - loggamma(_x + 1) + _size * log(_p) + _x * log(1 - _p),
    alternatives=(
        # Stan's neg_binomial and neg_binomial_2.
        Alternative(
            (_ALPHA, _BETA),
            (("n", _alpha), ("p", _beta / (1 + _beta))),
            LogRising(_alpha, _x)
            - loggamma(_x + 1)
            + _alpha * log(_beta)
            - (_x + _alpha) * log(1 + _beta),
        ),
        Alternative((_MU, _PHI), _by_mean(_mu, _phi), _of_shape(_phi, log(_mu), _mu)),
        # The NB2 of regressions: Cameron and Trivedi 2013, section 3.3; R's size is the shape.
        Alternative((_MEAN, _SHAPE), _by_mean(_mean, _shape), _of_shape(_shape, log(_mean), _mean)),
        Alternative(
            (_LOG, _SHAPE), _by_mean(exp(_log), _shape), _of_shape(_shape, _log, exp(_log))
        ),
        Alternative(
            (_MEAN, _DISPERSION),
            _by_mean(_mean, 1 / _dispersion),
            _of_dispersion(log(_mean), _mean),
        ),
        Alternative(
            (_LOG, _DISPERSION),
            _by_mean(exp(_log), 1 / _dispersion),
            _of_dispersion(_log, exp(_log)),
        ),
    ),
    sampler="negative_binomial",
    representations=(
        _of_a_rate(("n", "p"), _size, _p / (1 - _p), _poisson(U)),
        _of_a_rate(("alpha", "beta"), _alpha, _beta, _poisson(U)),
        _of_a_rate(("mu", "phi"), _phi, _phi, _poisson(_mu * U)),
        _of_a_rate(("mean", "shape"), _shape, _shape, _poisson(_mean * U)),
        _of_a_rate(("log", "shape"), _shape, _shape, _LOG_POISSON),
        _of_a_rate(("mean", "dispersion"), 1 / _dispersion, 1 / _dispersion, _poisson(_mean * U)),
        _of_a_rate(("log", "dispersion"), 1 / _dispersion, 1 / _dispersion, _LOG_POISSON),
    ),
)
