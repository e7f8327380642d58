"""How mathematics is spelled: the pieces a formula is put together from, in text and in LaTeX.

Knows neither SymPy nor models: strings go in and a string comes out. Precedence is the printer's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Protocol


class Math(str):
    """A formula in some style, as opposed to prose."""

    __slots__ = ()


class Style(Protocol):
    """The spelling of formulas. Arguments and results are formulas of the same style."""

    minus: str
    equals: str
    tilde: str
    infinity: str
    pi: str
    bar: str  # of P(a | b), spaces and all
    dot: str  # for an argument that is left open

    def name(self, name: str) -> str:
        """An identifier of the model."""
        ...

    def at(self, base: str, indices: Sequence[str]) -> str:
        """An entry of an array."""
        ...

    def element(self, base: str, index: str) -> str:
        """A variable's element of its plate."""
        ...

    def about(self, base: str) -> str:
        """A location less its pivot, or data less their location at the pivot."""
        ...

    def pivot(self, base: str) -> str:
        """The value a location is taken about."""
        ...

    def complete(self, base: str) -> str:
        """The complete version of discrete data that may be missing."""
        ...

    def statistic(self, name: str) -> str:
        """An expected sufficient statistic."""
        ...

    def inverse(self, matrix: str) -> str: ...

    def function(self, name: str, argument: str, *, bare: bool) -> str:
        """A function; `bare` where the argument needs no brackets."""
        ...

    def absolute(self, inner: str) -> str: ...

    def over(self, top: str, bottom: str) -> str:
        """A fraction whose parts are bracketed as a line of text needs it."""
        ...

    def slope(self, top: str, variables: Sequence[str]) -> str:
        """A partial derivative, with respect to one entry or two."""
        ...

    def half(self) -> str: ...

    def power(self, base: str, exponent: str) -> str: ...

    def root(self, degree: int, inner: str) -> str: ...

    def sum(self, axes: Sequence[str]) -> str:
        """The sum sign over indices, to stand before its body."""
        ...

    def product(self, axes: Sequence[str]) -> str:
        """The product sign over indices, to stand before its body."""
        ...

    def bracket(self, inner: str) -> str:
        """1 where the condition holds, else 0."""
        ...

    def mean(self, inner: str) -> str:
        """A posterior expectation, E[f | data]."""
        ...

    def integral(self, body: str, over: str) -> str:
        """The integral of a formula over a variable."""
        ...

    def transpose(self, vector: str) -> str: ...

    def relation(self, op: str) -> str: ...

    def word(self, text: str) -> str:
        """Prose within a formula."""
        ...


_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class TextStyle:
    """Formulas for a terminal: names as they are written, and some Unicode."""

    minus = "−"
    equals = "="
    tilde = "~"
    infinity = "∞"
    pi = "π"
    bar = " | "
    dot = "·"

    def name(self, name: str) -> str:
        return name

    def at(self, base: str, indices: Sequence[str]) -> str:
        return f"{base}[{','.join(indices)}]" if indices else base

    def element(self, base: str, index: str) -> str:
        plain = index.isidentifier() and "_" not in index
        return f"{base}_{index}" if plain else f"{base}_{{{index}}}"

    def about(self, base: str) -> str:
        return f"{base}′"

    def pivot(self, base: str) -> str:
        return f"{base}₀"

    def complete(self, base: str) -> str:
        return f"{base}*"

    def statistic(self, name: str) -> str:
        return f"⟨{name}⟩"

    def inverse(self, matrix: str) -> str:
        return f"{matrix}⁻¹"

    def function(self, name: str, argument: str, *, bare: bool) -> str:
        return f"{name} {argument}" if bare else f"{name}({argument})"

    def absolute(self, inner: str) -> str:
        return f"|{inner}|"

    def over(self, top: str, bottom: str) -> str:
        return f"{top} / {bottom}"

    def slope(self, top: str, variables: Sequence[str]) -> str:
        below = " ".join(f"∂{v}" for v in variables)
        if len(variables) == 1:
            return f"∂{top}/{below}"
        same = variables[0] == variables[1]
        return f"∂²{top}/∂{variables[0]}²" if same else f"∂²{top}/({below})"

    def half(self) -> str:
        return "½"

    def power(self, base: str, exponent: str) -> str:
        if exponent.replace("-", "", 1).replace("−", "", 1).isdigit():
            return base + exponent.replace("−", "-").translate(_SUPERSCRIPT)
        return f"{base}^({exponent})"

    def root(self, degree: int, inner: str) -> str:
        return f"√({inner})" if degree == 2 else f"({inner})^(1/{degree})"

    def sum(self, axes: Sequence[str]) -> str:
        inner = ",".join(axes)
        return f"Σ_{inner}" if len(inner) == 1 else f"Σ_{{{inner}}}"

    def product(self, axes: Sequence[str]) -> str:
        inner = ",".join(axes)
        return f"Π_{inner}" if len(inner) == 1 else f"Π_{{{inner}}}"

    def bracket(self, inner: str) -> str:
        return f"[{inner}]"

    def mean(self, inner: str) -> str:
        return f"E[{inner}]"

    def integral(self, body: str, over: str) -> str:
        return f"∫ {body} d{over}"

    def transpose(self, vector: str) -> str:
        return f"{vector}ᵀ"

    def relation(self, op: str) -> str:
        return {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥"}[op]

    def word(self, text: str) -> str:
        return text


_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi"),
    *("omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi"),
    *("Psi", "Omega"),
)
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}", "−": "$-$", "–": "--", "—": "---", "’": "'", "“": "``", "”": "''",
    "←": r"$\leftarrow$",
}  # fmt: skip


_COMMANDS = {
    "log": r"\log", "exp": r"\exp", "sin": r"\sin", "cos": r"\cos", "tanh": r"\tanh",
    "log det": r"\log\det", "log Γ": r"\log\Gamma", "log p": r"\log p", "P": "P", "O": "O",
    "log MultiGamma": r"\log\operatorname{MultiGamma}", "log I₀": r"\log I_{0}", "I₀": "I_{0}",
    "I₁": "I_{1}", "ψ": r"\psi", "ψ₁": r"\psi_{1}", "ψ₂": r"\psi_{2}",
    "sign": r"\operatorname{sign}",
}  # fmt: skip


def escape(text: str) -> str:
    """Prose for LaTeX; what a plain LaTeX can't set is named by its code point."""
    return "".join(_ESCAPES.get(c) or _letter(c, math=False) for c in text)


def _letter(char: str, *, math: bool) -> str:
    if char.isascii():
        return char
    greek = _greek(char)
    if greek:
        return f"\\{greek}{{}}" if math else f"$\\{greek}$"
    if ord(char) < 0x180:  # Latin with its accents, which the T1 encoding has
        return char
    return f"U+{ord(char):04X}"


def _greek(char: str) -> str:
    """`alpha` of α, empty where it isn't a letter that LaTeX has a command for."""
    words = unicodedata.name(char, "").split()
    if words[:2] not in (["GREEK", "SMALL"], ["GREEK", "CAPITAL"]) or len(words) != 4:
        return ""
    word = {"LAMDA": "lambda"}.get(words[3], words[3].lower())
    word = word.capitalize() if words[1] == "CAPITAL" else word
    return word if word in _GREEK else ""


class LatexStyle:
    """Formulas for amsmath. Every name is escaped; arrays have subscripts."""

    minus = "-"
    equals = "="
    tilde = r"\sim"
    infinity = r"\infty"
    pi = r"\pi"
    bar = r" \mid "
    dot = r"\cdot"

    def name(self, name: str) -> str:
        if name in _GREEK:
            return f"\\{name}"
        if len(name) == 1:
            greek = _greek(name)
            return f"\\{greek}" if greek else self._upright(name)
        return self._upright(name)

    def _upright(self, name: str) -> str:
        if len(name) == 1 and name.isascii() and name.isalpha():
            return name
        inner = "".join(r"\_" if c == "_" else _letter(c, math=False) for c in name)
        if inner.isascii() and "$" not in inner:
            return f"\\mathit{{{inner}}}"
        return f"\\text{{\\itshape {inner}}}"

    def at(self, base: str, indices: Sequence[str]) -> str:
        return f"{{{base}}}_{{{', '.join(indices)}}}" if indices else base

    def element(self, base: str, index: str) -> str:
        return f"{{{base}}}_{{{index}}}"

    def about(self, base: str) -> str:
        return f"{base}'"

    def pivot(self, base: str) -> str:
        return f"{base}^{{(0)}}"

    def complete(self, base: str) -> str:
        return f"{base}^{{*}}"

    def statistic(self, name: str) -> str:
        return f"\\langle {self._upright(name)}\\rangle"

    def inverse(self, matrix: str) -> str:
        return f"({matrix}^{{-1}})"

    def function(self, name: str, argument: str, *, bare: bool) -> str:
        head = _COMMANDS.get(name) or f"\\operatorname{{{escape(name)}}}"
        return f"{head} {argument}" if bare else f"{head}({argument})"

    def absolute(self, inner: str) -> str:
        return f"\\lvert {inner}\\rvert"

    def over(self, top: str, bottom: str) -> str:
        return f"\\frac{{{top}}}{{{bottom}}}"

    def slope(self, top: str, variables: Sequence[str]) -> str:
        if len(variables) == 1:
            return f"\\frac{{\\partial {top}}}{{\\partial {variables[0]}}}"
        below = r"\,".join(f"\\partial {v}" for v in variables)
        if variables[0] == variables[1]:
            below = f"\\partial {{{variables[0]}}}^{{2}}"
        return f"\\frac{{\\partial^2 {top}}}{{{below}}}"

    def half(self) -> str:
        return r"\tfrac{1}{2}"

    def power(self, base: str, exponent: str) -> str:
        return f"{{{base}}}^{{{exponent}}}"

    def root(self, degree: int, inner: str) -> str:
        return f"\\sqrt{{{inner}}}" if degree == 2 else f"\\sqrt[{degree}]{{{inner}}}"

    def sum(self, axes: Sequence[str]) -> str:
        return f"\\sum_{{{', '.join(axes)}}}"

    def product(self, axes: Sequence[str]) -> str:
        return f"\\prod_{{{', '.join(axes)}}}"

    def bracket(self, inner: str) -> str:
        return f"[{inner}]"

    def mean(self, inner: str) -> str:
        return f"\\operatorname{{E}}[{inner}]"

    def integral(self, body: str, over: str) -> str:
        return f"\\int {body}\\, d {over}"

    def transpose(self, vector: str) -> str:
        return f"{{{vector}}}^{{\\top}}"

    def relation(self, op: str) -> str:
        return {"eq": "=", "ne": r"\neq", "lt": "<", "le": r"\leq", "gt": ">", "ge": r"\geq"}[op]

    def word(self, text: str) -> str:
        return f"\\text{{{escape(text)}}}"
