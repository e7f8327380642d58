"""What generated modules stand on: `from emdsl import runtime as rt`. Needs NumPy only."""

from emdsl.runtime import numerics as numerics
from emdsl.runtime import sampling as sampling
from emdsl.runtime.absolute import Absolute as Absolute
from emdsl.runtime.absolute import least_deviations as least_deviations
from emdsl.runtime.api import e_step as e_step
from emdsl.runtime.api import filtered as filtered
from emdsl.runtime.api import fit as fit
from emdsl.runtime.api import impute as impute
from emdsl.runtime.api import init_params as init_params
from emdsl.runtime.api import load as load
from emdsl.runtime.api import log_likelihood as log_likelihood
from emdsl.runtime.api import most_probable as most_probable
from emdsl.runtime.api import posterior as posterior
from emdsl.runtime.api import posterior_moments as posterior_moments
from emdsl.runtime.api import posterior_pairs as posterior_pairs
from emdsl.runtime.api import predict as predict
from emdsl.runtime.api import row_log_likelihood as row_log_likelihood
from emdsl.runtime.api import sample as sample
from emdsl.runtime.api import sample_posterior as sample_posterior
from emdsl.runtime.bind import bind as bind
from emdsl.runtime.continuous import Along as Along
from emdsl.runtime.continuous import Linear as Linear
from emdsl.runtime.continuous import Product as Product
from emdsl.runtime.continuous import jointly_normal as jointly_normal
from emdsl.runtime.continuous import natural as natural
from emdsl.runtime.continuous import positive_normal as positive_normal
from emdsl.runtime.continuous import posterior_of_matrix as posterior_of_matrix
from emdsl.runtime.continuous import posterior_of_one as posterior_of_one
from emdsl.runtime.continuous import posterior_of_shares as posterior_of_shares
from emdsl.runtime.cut_normal import cut_normal as cut_normal
from emdsl.runtime.cut_normal import cut_normal_summary as cut_normal_summary
from emdsl.runtime.cut_normal import stretches as stretches
from emdsl.runtime.deviations import Deviations as Deviations
from emdsl.runtime.em_run import Iteration as Iteration
from emdsl.runtime.engine import Chunk as Chunk
from emdsl.runtime.engine import Engine as Engine
from emdsl.runtime.engine import ImpossibleError as ImpossibleError
from emdsl.runtime.errors import DataError as DataError
from emdsl.runtime.errors import InputError as InputError
from emdsl.runtime.errors import NoFilterError as NoFilterError
from emdsl.runtime.errors import ParamsError as ParamsError
from emdsl.runtime.errors import ResultFileError as ResultFileError
from emdsl.runtime.frames import Table as Table
from emdsl.runtime.generalised_inverse_gaussian import (
    generalised_inverse_gaussian as generalised_inverse_gaussian,
)
from emdsl.runtime.generalised_inverse_gaussian import (
    generalised_inverse_gaussian_summary as generalised_inverse_gaussian_summary,
)
from emdsl.runtime.held import constrained as constrained
from emdsl.runtime.held import free as free
from emdsl.runtime.how import EXPECT as EXPECT
from emdsl.runtime.how import How as How
from emdsl.runtime.impute import Imputed as Imputed
from emdsl.runtime.jointly import JointlyNormal as JointlyNormal
from emdsl.runtime.latents import Filtered as Filtered
from emdsl.runtime.latents import MostProbable as MostProbable
from emdsl.runtime.matrix_posteriors import inverse_wishart as inverse_wishart
from emdsl.runtime.matrix_posteriors import inverse_wishart_summary as inverse_wishart_summary
from emdsl.runtime.matrix_posteriors import wishart as wishart
from emdsl.runtime.matrix_posteriors import wishart_summary as wishart_summary
from emdsl.runtime.moments import Moments as Moments
from emdsl.runtime.normal_posterior import normal as normal
from emdsl.runtime.normal_posterior import normal_summary as normal_summary
from emdsl.runtime.numeric import ALL as ALL
from emdsl.runtime.numeric import FEW as FEW
from emdsl.runtime.numeric import Numeric as Numeric
from emdsl.runtime.numeric import RowSum as RowSum
from emdsl.runtime.numeric import climb as climb
from emdsl.runtime.numeric import live_sum as live_sum
from emdsl.runtime.numerics import *  # noqa: F403  # generated modules may call any of them
from emdsl.runtime.params import check_params as check_params
from emdsl.runtime.positive_posteriors import gamma as gamma
from emdsl.runtime.positive_posteriors import gamma_summary as gamma_summary
from emdsl.runtime.positive_posteriors import inverse_gamma as inverse_gamma
from emdsl.runtime.positive_posteriors import inverse_gamma_summary as inverse_gamma_summary
from emdsl.runtime.posterior_errors import ImproperError as ImproperError
from emdsl.runtime.posterior_errors import NoModeError as NoModeError
from emdsl.runtime.program import *  # noqa: F403  # and are made of these
from emdsl.runtime.results import FitResult as FitResult
from emdsl.runtime.results import Restart as Restart
from emdsl.runtime.seeds import Seed as Seed
from emdsl.runtime.structures import Structure as Structure
from emdsl.runtime.structures import Ties as Ties
from emdsl.runtime.truncated_normal import truncated_normal as truncated_normal
from emdsl.runtime.truncated_normal import truncated_normal_summary as truncated_normal_summary
from emdsl.runtime.unit_posteriors import beta as beta
from emdsl.runtime.unit_posteriors import beta_summary as beta_summary
from emdsl.runtime.unit_posteriors import dirichlet as dirichlet
from emdsl.runtime.unit_posteriors import dirichlet_summary as dirichlet_summary
