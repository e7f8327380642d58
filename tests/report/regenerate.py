"""Write the golden reports anew:  PYTHONPATH=. python tests/report/regenerate.py

Read the difference before you commit it: it is what people will see.
"""

from __future__ import annotations

from pathlib import Path

from emdsl.compiler import compile_source
from emdsl.report.explain import explain
from emdsl.source import Source

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
MODELS = (
    *("abo", "gaussian_mixture", "linkage", "mixture_of_mixtures", "normal_map", "user_density"),
    *("hmm", "dawid_skene", "mixture_of_hmms", "hidden_markov_tree", "factorial_hmm"),
    *("coupled_hmm", "second_order_hmm", "multilevel_latent_class"),
    *("gamma_mixture", "mixture_of_experts", "input_output_hmm", "t_mixture", "von_mises_mixture"),
    *("zero_inflated_negative_binomial", "meta_analysis"),
    *("student_t", "random_intercept", "linear_dynamical_system", "mixture_of_factor_analysers"),
    *("gamma_poisson_rates", "beta_binomial_chances", "crossed_effects", "local_level"),
    "pooled_covariances",
)
LATEX = (
    *("linkage", "dawid_skene", "hidden_markov_tree", "mixture_of_experts", "von_mises_mixture"),
    *("mixture_of_factor_analysers", "local_level", "pooled_covariances"),
)
FOLDERS = (Path(__file__).parent / "models", ROOT / "models")  # its own come before the gallery's
START = "Complete-data log likelihood"


def excerpt(name: str, *, latex: bool) -> str:
    """A model's report from its joint on."""
    path = next(p for p in (folder / f"{name}.em" for folder in FOLDERS) if p.exists())
    text = explain(compile_source(Source(path.read_text(encoding="utf-8"), path.name)), latex=latex)
    return text[text.index(START) :]


def golden() -> dict[str, str]:
    """The files and what they should hold."""
    files = {f"{name}.txt": excerpt(name, latex=False) for name in MODELS}
    return files | {f"{name}.tex.txt": excerpt(name, latex=True) for name in LATEX}


if __name__ == "__main__":
    for name, text in golden().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
