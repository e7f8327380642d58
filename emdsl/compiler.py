"""The compiler, stage by stage:

    parse     source text         -> syntax tree
    build     tree                -> Model: a graph, every name, size and type resolved
    check     Model               -> its own densities integrate to 1
    choose    Model               -> an E-step strategy for each independent piece
    derive    Model               -> Joint -> statistics and terms of Q -> the M-step
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
from emdsl.derive.joint import Joint, joint_of
from emdsl.derive.mstep.solve import MStep, m_step_of
from emdsl.derive.normalisation import check_densities
from emdsl.derive.statistics import Derived, statistics_of
from emdsl.derive.user_density import family_of
from emdsl.diagnostics import Bug, CompileError, Diagnostic
from emdsl.families import FAMILIES
from emdsl.families.family import Family
from emdsl.inference.cautions import cautions_of
from emdsl.inference.gaps import with_gaps
from emdsl.inference.match import Match
from emdsl.inference.plan import Plan, plan_of
from emdsl.inference.strategy import choose
from emdsl.ir.nodes import Module
from emdsl.lower.module import module_of
from emdsl.model.build import build
from emdsl.model.graph import Model
from emdsl.source import Source
from emdsl.syntax import read_source
from emdsl.syntax.parse import parse


@dataclass(frozen=True)
class Derivation:
    """The mathematics of a model: the joint, its statistics, and the M-step."""

    joint: Joint
    derived: Derived
    m_step: MStep


@dataclass(frozen=True)
class Compiled:
    """What every stage made of one source; `module` is the generated Python text."""

    source: Source
    model: Model
    warnings: tuple[Diagnostic, ...]
    derivation: Derivation
    plan: Plan
    ir: Module
    module: str


def compile_source(source: Source, *, standalone: bool = False) -> Compiled:
    """Compile a `.em` source; `standalone` puts the runtime into the module.

    Raises CompileError with every diagnostic of the first stage that can't go on.
    """
    try:
        model, warnings = build(parse(source), source)
        warnings = (*warnings, *check_densities(model))
        matches = choose(model)
        derivation = derive(model, matches)
        plan = with_gaps(plan_of(derivation.derived, matches))
        warnings = (*warnings, *cautions_of(plan))
        ir = module_of(plan, derivation.m_step, families_of(model), __version__)
        text = print_module(ir)
    except RecursionError as error:
        raise Bug("the model is nested more deeply than the compiler can follow") from error
    return Compiled(
        source, model, warnings, derivation, plan, ir, make_standalone(text) if standalone else text
    )


def derive(model: Model, matches: tuple[Match, ...]) -> Derivation:
    """The joint, the statistics and the M-step. Raises CompileError."""
    joint = joint_of(model, tuple(name for m in matches for name in m.summed))
    derived = statistics_of(joint)
    return Derivation(joint, derived, m_step_of(derived))


def families_of(model: Model) -> Mapping[str, Family]:
    """Every family the model can use: the language's and its own densities."""
    return {**FAMILIES, **{d.name: family_of(d, model) for d in model.densities}}


def load(source: str | Path | Source) -> ModuleType:
    """Compile a `.em` file (or a Source) and import the module, without writing it anywhere.

    Raises CompileError for a wrong model, OSError where the file can't be read.
    """
    if not isinstance(source, Source):
        source = read_source(Path(source).read_bytes(), str(source))
    compiled = compile_source(source)
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
    "dump_stage",
    "families_of",
    "import_text",
    "load",
]  # fmt: skip
