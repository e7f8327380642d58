"""Every distribution the language knows, by name. One declaration each; see docs/families.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emdsl.families.bounded import BETA
from emdsl.families.categorical import BERNOULLI, CATEGORICAL, DELTA, MULTINOMIAL
from emdsl.families.circular import VON_MISES
from emdsl.families.counts import BETA_BINOMIAL, BINOMIAL, GEOMETRIC, NEGATIVE_BINOMIAL, POISSON
from emdsl.families.family import Family
from emdsl.families.multivariate import DIRICHLET, INVERSE_WISHART, MV_NORMAL, WISHART
from emdsl.families.positive import (
    EXPONENTIAL,
    GAMMA,
    HALF_NORMAL,
    INVERSE_GAMMA,
    INVERSE_GAUSSIAN,
    LOG_LOGISTIC,
    LOG_NORMAL,
    PARETO,
    RAYLEIGH,
    WEIBULL,
)
from emdsl.families.real_line import (
    CAUCHY,
    GENERALIZED_NORMAL,
    GUMBEL,
    LAPLACE,
    LOGISTIC,
    NORMAL,
    STUDENT_T,
    UNIFORM,
)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "Bernoulli": BERNOULLI,
        "Beta": BETA,
        "BetaBinomial": BETA_BINOMIAL,
        "Binomial": BINOMIAL,
        "Categorical": CATEGORICAL,
        "Cauchy": CAUCHY,
        "Delta": DELTA,
        "Dirichlet": DIRICHLET,
        "Exponential": EXPONENTIAL,
        "Gamma": GAMMA,
        "GeneralizedNormal": GENERALIZED_NORMAL,
        "Geometric": GEOMETRIC,
        "Gumbel": GUMBEL,
        "HalfNormal": HALF_NORMAL,
        "InverseGamma": INVERSE_GAMMA,
        "InverseGaussian": INVERSE_GAUSSIAN,
        "InverseWishart": INVERSE_WISHART,
        "Laplace": LAPLACE,
        "LogLogistic": LOG_LOGISTIC,
        "LogNormal": LOG_NORMAL,
        "Logistic": LOGISTIC,
        "Multinomial": MULTINOMIAL,
        "MvNormal": MV_NORMAL,
        "NegativeBinomial": NEGATIVE_BINOMIAL,
        "Normal": NORMAL,
        "Pareto": PARETO,
        "Poisson": POISSON,
        "Rayleigh": RAYLEIGH,
        "StudentT": STUDENT_T,
        "Uniform": UNIFORM,
        "VonMises": VON_MISES,
        "Weibull": WEIBULL,
        "Wishart": WISHART,
    }
)
