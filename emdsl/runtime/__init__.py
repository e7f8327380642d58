"""What generated modules stand on: `from emdsl import runtime as rt`. Needs NumPy only."""

from emdsl.runtime.api import (
    e_step,
    fit,
    init_params,
    load,
    log_likelihood,
    posterior,
    predict,
    row_log_likelihood,
    sample,
)
from emdsl.runtime.bind import bind
from emdsl.runtime.em import Iteration
from emdsl.runtime.engine import Chunk, Engine, ImpossibleError
from emdsl.runtime.errors import DataError, InputError, ParamsError, ResultFileError
from emdsl.runtime.frames import Table
from emdsl.runtime.numerics import (
    columns,
    fold,
    inverse,
    log,
    log_indicator,
    logdet,
    masked,
    normalize,
    one_hot,
    pairs,
    rows,
    settle,
    simplex,
    solve,
    symmetric,
    unfold,
    upper,
)
from emdsl.runtime.params import check_params
from emdsl.runtime.program import (
    Array,
    Bias,
    Blocks,
    Bound,
    Coefficients,
    Dim,
    Features,
    Floats,
    Latent,
    Layout,
    Meta,
    Param,
    Params,
    Piece,
    Program,
    Size,
    Statistics,
)
from emdsl.runtime.results import FitResult, Restart
from emdsl.runtime.seeds import Seed

__all__ = [
    "Array", "Bias", "Blocks", "Bound", "Chunk", "Coefficients", "DataError", "Dim", "Engine",
    "Features", "FitResult", "Floats", "ImpossibleError", "InputError", "Iteration", "Latent",
    "Layout", "Meta", "Param", "Params", "ParamsError", "Piece", "Program", "Restart",
    "ResultFileError", "Seed", "Size", "Statistics", "Table", "bind", "check_params", "columns",
    "e_step", "fit", "fold", "init_params", "inverse", "load", "log", "log_indicator",
    "log_likelihood", "logdet", "masked", "normalize", "one_hot", "pairs", "posterior", "predict",
    "row_log_likelihood", "rows", "sample", "settle", "simplex", "solve", "symmetric", "unfold",
    "upper",
]  # fmt: skip
