"""Prints the array program as readable NumPy. Knows only `ir`.

Every expression is printed for a target: an ordered tuple of axes. A leaf gets the `None`s that
make it broadcast there; a sum of products becomes `@`, `.sum`, or an einsum.
"""

from __future__ import annotations

import math
import re
from functools import singledispatchmethod

from emdsl.backends.layout import wrapped
from emdsl.diagnostics import Bug
from emdsl.ir.nodes import (
    Array,
    Axis,
    Contract,
    Expr,
    Gather,
    Kernel,
    Lit,
    Map,
    Range,
    Whole,
    axes_of,
)

# binding strengths, as Python's
_ADD, _MATMUL, _MUL, _NEG, _POW, _ATOM = 4, 5, 6, 7, 8, 9

_FUNCTIONS = {
    "log": "np.log", "safelog": "nm.log", "exp": "np.exp", "sqrt": "nm.sqrt", "abs": "np.abs",
    "sin": "np.sin", "cos": "np.cos", "tanh": "np.tanh", "lgamma": "special.gammaln",
    "atan2": "np.arctan2", "i0": "special.i0", "where": "np.where", "not": "np.logical_not",
    "log_indicator": "nm.log_indicator", "indicator": "nm.indicator", "sign": "np.sign",
    "expit": "nm.expit", "digamma": "nm.digamma", "trigamma": "nm.trigamma",
    "log_rising": "nm.log_rising", "digamma_rise": "nm.digamma_rise",
    "trigamma_rise": "nm.trigamma_rise", "log1p": "np.log1p",
    "log1p_ratio": "nm.log1p_ratio", "log1pexp": "nm.log1pexp",
    "abs_power": "nm.abs_power", "log_i0": "nm.log_i0", "bessel_ratio": "nm.bessel_ratio",
    "bessel_slope": "nm.bessel_slope", "xlogy": "special.xlogy", "log_inside": "nm.log_inside",
    "log_ndtr": "nm.log_ndtr",
    "inverse_mills": "nm.inverse_mills",
    "mills_slope": "nm.mills_slope",
    "log_one_less": "nm.log_one_less",
    "over_expm1": "nm.over_expm1",
    "log_between": "nm.log_between",
    "between_share": "nm.between_share",
    "log_add": "nm.log_add",
    "log_gamma_p": "nm.log_gamma_p",
    "log_gamma_q": "nm.log_gamma_q",
    "gamma_ratio_p": "nm.gamma_ratio_p",
    "gamma_ratio_q": "nm.gamma_ratio_q",
    "log_deficit": "nm.log_deficit",
    "log_excess": "nm.log_excess",
    "log_deficit_spread": "nm.log_deficit_spread",
    "log_excess_spread": "nm.log_excess_spread",
    "log_laplace": "nm.log_laplace",
    "laplace_slope": "nm.laplace_slope",
    "laplace_bend": "nm.laplace_bend",
    "inside": "nm.inside",
}  # fmt: skip
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_KERNELS = {
    "multigammaln": "nm.log_multi_gamma", "back": "sampling.back", "arange": "np.arange",
    "matmul": "np.matmul", "rt.live_sum": "rt.live_sum",
}  # fmt: skip

Target = tuple[Axis, ...]


class Printer:
    """Prints expressions; `letters` are kept short and mnemonic in einsums."""

    # -- whole arrays --

    def whole(self, value: Whole) -> str:
        """An expression laid out over exactly its axes."""
        code, _ = self.text(value.value, value.axes)
        have = axes_of(value.value)
        if value.full and set(have) != set(value.axes):
            shape = ", ".join(str(a.dim) for a in value.axes)
            shape = f"({shape}{',' * (len(value.axes) == 1)})"
            return f"np.zeros({shape})" if code == "0" else f"np.broadcast_to({code}, {shape})"
        return code

    def argument(self, arg: Whole | float | str | None) -> str:
        return self.whole(arg) if isinstance(arg, Whole) else str(arg)

    # -- expressions: (code, binding strength) --

    @singledispatchmethod
    def text(self, expr: Expr, target: Target) -> tuple[str, int]:
        del target
        raise Bug(f"no NumPy form of {expr}")

    @text.register
    def _(self, expr: Lit, target: Target) -> tuple[str, int]:
        del target
        if isinstance(expr.value, float) and not math.isfinite(expr.value):
            code = "np.nan" if math.isnan(expr.value) else "np.inf"
            return (f"-{code}", _NEG) if expr.value < 0 else (code, _ATOM)
        code = repr(expr.value)
        return code, _NEG if code.startswith("-") else _ATOM

    @text.register
    def _(self, expr: Array, target: Target) -> tuple[str, int]:
        distinct = tuple(dict.fromkeys(expr.axes))
        if len(distinct) != len(expr.axes):
            letters = self._letters(distinct)
            spec = "".join(letters[a] for a in expr.axes)
            out = "".join(letters[a] for a in distinct)
            return self._aligned(f'np.einsum("{spec}->{out}", {expr.name})', distinct, target)
        return self._aligned(expr.name, expr.axes, target)

    @text.register
    def _(self, expr: Range, target: Target) -> tuple[str, int]:
        return self._aligned(f"np.arange({expr.axis.dim})", (expr.axis,), target)

    @text.register
    def _(self, expr: Kernel, target: Target) -> tuple[str, int]:
        func = _KERNELS.get(expr.func, f"nm.{expr.func}")
        args = ", ".join(self.argument(a) for a in expr.args)
        return self._aligned(f"{func}({args})", expr.axes, target)

    @text.register
    def _(self, expr: Gather, target: Target) -> tuple[str, int]:
        own = axes_of(expr)
        ordered = tuple(a for a in target if a in own)
        whole = all(isinstance(p, Axis) for p in expr.places)
        if whole:
            return self.text(Array(expr.name, tuple(p for p in expr.places if isinstance(p, Axis))),
                             target)  # fmt: skip
        places = []
        axes_places = [p for p in expr.places if isinstance(p, Axis)]
        lits = all(isinstance(p, Axis | Lit) for p in expr.places)
        distinct = len(set(axes_places)) == len(axes_places)  # else it is a diagonal
        if lits and distinct:  # plain slicing keeps the other axes in order
            places = [":" if isinstance(p, Axis) else repr(p.value) for p in expr.places]  # type: ignore[union-attr] # Lit
            while places and places[-1] == ":":
                places.pop()
            return self._aligned(f"{expr.name}[{', '.join(places)}]", tuple(axes_places), target)
        fancy = [p for p in expr.places if not isinstance(p, Axis)]
        tail = tuple(p for p in expr.places if isinstance(p, Axis))
        lead = tuple(dict.fromkeys(a for p in fancy for a in axes_of(p)))
        if distinct and expr.places == (*fancy, *tail) and not set(lead) & set(tail):
            # places first, whole axes after: NumPy keeps that order
            first = tuple(a for a in target if a in lead)
            places = [self.text(p, first)[0] for p in fancy]
            return self._aligned(f"{expr.name}[{', '.join(places)}]", (*first, *tail), target)
        for place in expr.places:
            node: Expr = Range(place) if isinstance(place, Axis) else place
            places.append(self.text(node, ordered)[0])
        return self._aligned(f"{expr.name}[{', '.join(places)}]", ordered, target)

    @text.register
    def _(self, expr: Contract, target: Target) -> tuple[str, int]:
        out = tuple(a for a in target if a in axes_of(expr))
        args = [a for a in expr.args if axes_of(a)]
        scale = [a for a in expr.args if not axes_of(a)]
        code = self._contraction(args, expr.sums, out)
        aligned, strength = self._aligned(code, out, target)
        if " @ " in code and aligned == code:
            strength = _MATMUL  # in parentheses beside * and /, which Python takes left to right
        if scale:
            factor = " * ".join(self._at(a, (), _MUL) for a in scale)
            if not args:
                return factor, _MUL
            inner = aligned if strength > _MUL else f"({aligned})"
            return f"{factor} * {inner}", _MUL
        return aligned, strength

    @text.register
    def _(self, expr: Map, target: Target) -> tuple[str, int]:
        op, args = expr.op, expr.args
        if op == "add":
            return self._sum(args, target), _ADD
        if op == "mul":
            return self._product(args, target)
        if op == "div":
            top = self._at(args[0], target, _MUL)
            return f"{top} / {self._at(args[1], target, _NEG)}", _MUL
        if op == "neg":
            return f"-{self._at(args[0], target, _NEG)}", _NEG
        if op == "pow":
            return f"{self._at(args[0], target, _ATOM)}**{self._at(args[1], target, _ATOM)}", _POW
        if op in _COMPARE:
            left, right = (self._at(a, target, _ADD) for a in args)
            return f"{left} {_COMPARE[op]} {right}", 0
        if op in ("and", "or"):
            sign = " & " if op == "and" else " | "
            return sign.join(self._at(a, target, _ADD) for a in args), 0
        codes = ", ".join(self.text(a, target)[0] for a in args)
        return f"{_FUNCTIONS[op]}({codes})", _ATOM

    def _at(self, expr: Expr, target: Target, least: int) -> str:
        """The expression, in parentheses where it binds less than `least`."""
        code, strength = self.text(expr, target)
        return code if strength >= least else f"({code})"

    def _sum(self, args: tuple[Expr, ...], target: Target) -> str:
        out = ""
        # a positive term first reads better than a leading minus
        codes = [self._at(arg, target, _ADD) for arg in args]
        for code in sorted(codes, key=lambda code: code.startswith("-")):
            if not out:
                out = code
            elif code.startswith("-"):
                out += f" - {code[1:]}"
            else:
                out += f" + {code}"
        return out

    def _product(self, args: tuple[Expr, ...], target: Target) -> tuple[str, int]:
        codes = [self._at(a, target, _MUL) for a in args]
        if codes[0] == "-1" and len(codes) > 1:
            return "-" + " * ".join(codes[1:]), _MUL
        return " * ".join(codes), _MUL

    # -- axes --

    def _aligned(self, code: str, axes: Target, target: Target) -> tuple[str, int]:
        """Transpose `axes` into the target's order, and put in the axes it broadcasts over."""
        missing = [a for a in axes if a not in target]
        if missing:
            raise Bug(f"{code} has axes {[a.name for a in missing]} that its place has not")
        order = tuple(a for a in target if a in axes)
        if order != axes:
            atom = code if code.isidentifier() else f"({code})"
            if len(axes) == 2:
                code = f"{atom}.T"
            else:
                code = f"np.transpose({code}, {tuple(axes.index(a) for a in order)})"
        if not order:
            return code, _ATOM
        tail = target[target.index(order[0]) :]
        if len(tail) == len(order):
            return code, _ATOM
        index = ", ".join(":" if a in order else "None" for a in tail)
        if code.replace("_", "").replace(".", "").isalnum() or code[-1] in ")]":
            if "@" in code or (" " in code and code[-1] != ")" and "[" not in code):
                code = f"({code})"
            return f"{code}[{index}]", _ATOM
        return f"({code})[{index}]", _ATOM

    def _contraction(self, args: list[Expr], sums: Target, out: Target) -> str:
        if len(args) == 1:
            own = axes_of(args[0])
            order = tuple(a for a in own if a not in sums)
            laid = (*[a for a in own if a in sums], *[a for a in out if a in order])
            laid = own if tuple(a for a in own if a not in sums) == out else laid
            code = self._at(args[0], laid, _ATOM)
            places = tuple(i for i, a in enumerate(laid) if a in sums)
            axis = str(places[0]) if len(places) == 1 else str(places)
            return f"{code}.sum(axis={axis})" if len(laid) > len(places) else f"{code}.sum()"
        if len(args) == 2 and len(sums) == 1:
            product = self._matmul(args[0], args[1], sums[0], out)
            product = product or self._matmul(args[1], args[0], sums[0], out)
            if product is not None:
                return product
        every = tuple(dict.fromkeys(a for x in args for a in axes_of(x)))
        letters = self._letters(every)
        specs, codes = [], []
        for arg in args:
            own = arg.axes if isinstance(arg, Array) else axes_of(arg)
            specs.append("".join(letters[a] for a in own))
            codes.append(arg.name if isinstance(arg, Array) else self.text(arg, own)[0])
        spec = f"{','.join(specs)}->{''.join(letters[a] for a in out)}"
        return f'np.einsum("{spec}", {", ".join(codes)})'

    def _matmul(self, left: Expr, right: Expr, over: Axis, out: Target) -> str | None:
        """`left @ right` where one sum axis is all they share."""
        a, b = axes_of(left), axes_of(right)
        if not isinstance(left, Array) or not isinstance(right, Array):
            return None
        if len(set(left.axes)) != len(left.axes) or len(set(right.axes)) != len(right.axes):
            return None
        if not a or not b or a[-1] != over or b[0] != over or len(a) > 2 or len(b) > 2:
            return None
        if (*a[:-1], *b[1:]) != out or set(a) & set(b) != {over}:
            return None
        return f"{left.name} @ {right.name}"

    def _letters(self, axes: Target) -> dict[Axis, str]:
        """A letter for each axis: its own first letter where free; of f_l1 over L it is l."""
        used: dict[Axis, str] = {}
        for axis in axes:
            size = str(axis.dim).lower()
            of_entries = re.fullmatch(rf".+_{re.escape(size)}\d+", axis.name)
            wanted = [c for c in (size if of_entries else axis.name.lower()) if "a" <= c <= "z"]
            pool = [*wanted, *"defghijklmnopqrstuvwxyzabc"]
            used[axis] = next(c for c in pool if c not in used.values())
        return used


def assignment(name: str, code: str, shape: str, indent: str, sign: str = "=") -> list[str]:
    """`name = code`, broken over lines where it is long, its shape as a comment."""
    return wrapped(f"{indent}{name} {sign} ", code, f"  # {shape}" if shape else "", indent)
