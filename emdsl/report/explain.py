"""The report on what was derived: the model, the joint, the statistics, each update, the E-step."""

from __future__ import annotations

from emdsl.compiler import Compiled
from emdsl.report.augmentation import write_augmentations
from emdsl.report.joint import write_joint, write_objective, write_statistics
from emdsl.report.live import write_live
from emdsl.report.model import write_model
from emdsl.report.page import LatexPage, Page, TextPage
from emdsl.report.plan import write_plan
from emdsl.report.updates import write_updates


def explain(compiled: Compiled, *, latex: bool = False) -> str:
    """The derivation for people: text of 100 columns, or a complete LaTeX document."""
    page: Page = LatexPage() if latex else TextPage()
    d = compiled.derivation
    page.title(f"{compiled.model.name}: its EM algorithm, derived", compiled.model.doc)
    write_model(page, compiled.model)
    write_augmentations(page, compiled.augmentations)
    write_joint(page, d.joint)
    write_objective(page, d.joint)
    write_statistics(page, d.derived, d.m_step)
    write_live(page, d.derived, d.m_step)
    write_plan(page, compiled.plan, cyclic=bool(d.m_step.cyclic))
    iterated = any(piece.clusters for piece in compiled.plan.pieces)
    write_updates(page, d.derived, d.m_step, iterated=iterated)
    return page.finish()
