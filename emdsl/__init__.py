"""emdsl: a compiler from latent-variable models to EM algorithms.

    import emdsl
    mixture = emdsl.load("gaussian_mixture.em")
    result = mixture.fit(x, K=2, seed=0)

Importing this package loads neither NumPy nor SymPy: its names are looked up when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emdsl.compiler import Compiled, compile_source, load
    from emdsl.diagnostics import CompileError, Diagnostic
    from emdsl.runtime.errors import DataError
    from emdsl.source import Source

__version__ = "0.1.0"

_HOMES = {
    "CompileError": "emdsl.diagnostics",
    "Compiled": "emdsl.compiler",
    "DataError": "emdsl.runtime.errors",
    "Diagnostic": "emdsl.diagnostics",
    "Source": "emdsl.source",
    "compile_source": "emdsl.compiler",
    "load": "emdsl.compiler",
}

__all__ = [
    "CompileError",
    "Compiled",
    "DataError",
    "Diagnostic",
    "Source",
    "__version__",
    "compile_source",
    "fit",
    "load",
]


def fit(model: Any, data: Any, **options: Any) -> Any:
    """Fit `model`, a `.em` file's path, a `Source` or a generated module, to `data`.

    The options are those of the module's own `fit`: sizes by name (`K=2`), `seed`, `restarts`,
    `tol`, `max_iter` and so on.
    """
    module = model if hasattr(model, "PROGRAM") else __getattr__("load")(model)
    return module.fit(data, **options)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'emdsl' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
