"""The expressions an update's form holds, whatever its rule."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import sympy as sp


def expressions(form: object) -> list[sp.Expr]:
    """Every SymPy expression in a form, in its order."""
    if isinstance(form, sp.Basic):
        return [form]
    if isinstance(form, tuple):
        return [e for part in form for e in expressions(part)]
    if is_dataclass(form) and not isinstance(form, type):
        return [e for f in fields(form) for e in expressions(getattr(form, f.name))]
    return []
