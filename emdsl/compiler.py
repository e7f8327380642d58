"""The compiler, stage by stage:

    parse     source text         -> syntax tree
    build     tree                -> Model: a graph, every name, size and type resolved
    check     Model               -> its own densities integrate to 1
    choose    Model               -> an E-step strategy for each independent piece
    derive    Model               -> Joint -> statistics and terms of Q -> the M-step
    augment   Model               -> the same of the model with latents added, where that is better
    plan      terms, strategies   -> the elimination of each piece
    lower     plan, M-step        -> array program (IR)
    print     IR                  -> a readable Python module

Every stage raises CompileError with all the diagnostics it can find.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from emdsl import __version__
from emdsl.backends.module import module as print_module
from emdsl.backends.standalone import standalone as make_standalone
from emdsl.derive.normalisation import check_densities
from emdsl.derive.user_density import family_of
from emdsl.diagnostics import Bug, CompileError, Diagnostic
from emdsl.families import FAMILIES
from emdsl.families.family import Family
from emdsl.inference.augmentation import Augmentation, Chosen, chosen
from emdsl.inference.cautions import cautions_of
from emdsl.inference.derivation import Derivation, derive
from emdsl.inference.gaps import with_gaps
from emdsl.inference.plan import Plan
from emdsl.inference.planning import plan_of
from emdsl.ir.nodes import Module
from emdsl.lower.module import module_of
from emdsl.model.build import build
from emdsl.model.graph import Model
from emdsl.model.outside import in_a_plate
from emdsl.source import Source
from emdsl.syntax import read_source
from emdsl.syntax.parse import parse


@dataclass(frozen=True)
class Compiled:
    """What every stage made of one source; `module` is the generated Python text.

    `model` is the one that was derived: with the latents of rewritten nodes, which
    `augmentations` tells of.
    """

    source: Source
    model: Model
    warnings: tuple[Diagnostic, ...]
    derivation: Derivation
    plan: Plan
    ir: Module
    module: str
    augmentations: tuple[Augmentation, ...] = ()


def compile_source(
    source: Source, *, standalone: bool = False, augment: bool | None = None
) -> Compiled:
    """Compile a `.em` source; `standalone` puts the runtime into the module.

    augment : whether data nodes are rewritten with a latent of their own (a t as a normal of
        unknown precision): None where that is better, True wherever it can be, False nowhere.

    Raises CompileError with every diagnostic of the first stage that can't go on.
    """
    try:
        found, warnings = derived_of(source, augment)
        plan = with_gaps(plan_of(found.derivation.derived, found.matches))
        warnings = (*warnings, *cautions_of(plan))
        ir = module_of(plan, found.derivation.m_step, families_of(found.model), __version__)
        text = print_module(ir)
    except RecursionError as error:
        raise Bug("the model is nested more deeply than the compiler can follow") from error
    text = make_standalone(text) if standalone else text
    return Compiled(
        source, found.model, warnings, found.derivation, plan, ir, text, found.augmentations
    )


def derived_of(
    source: Source, augment: bool | None = None
) -> tuple[Chosen, tuple[Diagnostic, ...]]:
    """The model that is derived, how, and what there is to warn of. Raises CompileError."""
    model, warnings = build(parse(source), source)
    warnings = (*warnings, *check_densities(model))
    return chosen(in_a_plate(model), augment), warnings


def families_of(model: Model) -> Mapping[str, Family]:
    """Every family the model can use: the language's and its own densities."""
    return {**FAMILIES, **{d.name: family_of(d, model) for d in model.densities}}


def load(source: str | Path | Source, *, augment: bool | None = None) -> ModuleType:
    """Compile a `.em` file (or a Source) and import the module, without writing it anywhere.

    augment : as for `compile_source`.

    Raises CompileError for a wrong model, OSError where the file can't be read.
    """
    if not isinstance(source, Source):
        source = read_source(Path(source).read_bytes(), str(source))
    compiled = compile_source(source, augment=augment)
    return import_text(compiled.module, compiled.model.name)


def import_text(text: str, name: str) -> ModuleType:
    """Import generated module text. Only what `compile_source` printed may come here."""
    module = ModuleType(f"emdsl_generated_{name}")
    module.__dict__["__file__"] = f"<generated {name}>"
    sys.modules[module.__name__] = module
    exec(compile(text, f"<generated {name}>", "exec"), module.__dict__)  # noqa: S102 # our own printed code
    return module


STAGES = ("tokens", "tree", "model", "derivation", "plan", "ir", "module")


def dump_stage(source: Source, stage: str) -> str:
    """One stage's result as text, for people (`emdsl dump --stage`). Raises CompileError."""
    from emdsl.report.dump import dump

    return dump(source, stage)


__all__ = [
    "STAGES",
    "CompileError",
    "Compiled",
    "Derivation",
    "compile_source",
    "derive",
    "derived_of",
    "dump_stage",
    "families_of",
    "import_text",
    "load",
]  # fmt: skip
