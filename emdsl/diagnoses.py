"""One constructor for each thing a user can get wrong once the syntax is right. Span first.

Each says what was expected, what was found and a way out; `docs/errors.md` has a section for
each code. Knows no compiler stage: it only words what the stages find.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emdsl.diagnostics import Diagnostic, Note, Severity
from emdsl.source import Span


def _near(near: Sequence[str], otherwise: str = "") -> str:
    """A way out: the similar names if there are any, or else `otherwise`."""
    return f"did you mean {_alternatives(near)}?" if near else otherwise


def _alternatives(names: Sequence[str]) -> str:
    quoted = [f"`{n}`" for n in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# --- names -----------------------------------------------------------------------------------


def unknown_name(span: Span, name: str, near: Sequence[str]) -> Diagnostic:
    way_out = f"declare it as a `param`, `input`, `const` or `let`: `param {name} : real`"
    return Diagnostic("unknown-name", f"`{name}` is not declared", span, _near(near, way_out))


def unknown_function(span: Span, name: str, near: Sequence[str], known: str) -> Diagnostic:
    return Diagnostic(
        "unknown-function",
        f"there is no function `{name}`",
        span,
        _near(near, f"the functions are {known}"),
    )


def unknown_distribution(span: Span, name: str, near: Sequence[str]) -> Diagnostic:
    way_out = f"define it in the file: `density {name}(x : real; ...) = ...`"
    message = f"there is no distribution `{name}`"
    return Diagnostic("unknown-distribution", message, span, _near(near, way_out))


def unknown_type(span: Span, name: str, near: Sequence[str], known: str) -> Diagnostic:
    message = f"there is no type `{name}`"
    return Diagnostic("unknown-type", message, span, _near(near, f"the types are {known}"))


def duplicate_name(span: Span, name: str, first: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "duplicate-name",
        f"`{name}` is declared twice",
        span,
        "give one of them another name",
        (Note(f"`{name}` is already {what}", first),),
    )


def reserved_name(span: Span, name: str, what: str) -> Diagnostic:
    message = f"`{name}` can't be declared: it is a built-in {what}"
    return Diagnostic("reserved-name", message, span, "give it another name")


def function_without_call(span: Span, name: str, usage: str) -> Diagnostic:
    message = f"`{name}` is a function, not a value"
    return Diagnostic("function-as-value", message, span, f"write `{usage}`")


def not_callable(span: Span, name: str, role: str) -> Diagnostic:
    message = f"`{name}` is {role}, not a function"
    hint = f"write `{name} * (...)` to multiply, `{name}[...]` to index"
    return Diagnostic("unknown-function", message, span, hint)


def distribution_as_value(span: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "distribution-as-value",
        f"`{name}` is a distribution, but a value is needed here",
        span,
        f"draw a latent from it, and use that: `latent a ~ {name}(...)`",
    )


def value_as_distribution(span: Span, shown: str, hint: str) -> Diagnostic:
    message = f"a distribution is needed here, but `{shown}` is a value"
    return Diagnostic("value-as-distribution", message, span, hint)


def case_as_value(span: Span) -> Diagnostic:
    message = "`case` chooses a distribution, but a value is needed here"
    return Diagnostic("distribution-as-value", message, span, "write `a if test else b`")


# --- plates and indices ----------------------------------------------------------------------


def outside_plate(span: Span, index: str, plate: Span) -> Diagnostic:
    return Diagnostic(
        "outside-plate",
        f"the index `{index}` is used outside its plate",
        span,
        "move this line into that plate, or index by something known here",
        (Note(f"`{index}` runs over this plate only", plate),),
    )


def index_count(
    span: Span, name: str, found: int, least: int, most: int, wanted: str, first: Span | None
) -> Diagnostic:
    if most == 0:
        takes = "takes no index"
    elif found > most == 1:
        takes = "takes one index"
    elif found < least:
        takes = f"needs {_indices(least)}"
    else:
        takes = f"takes at most {_indices(most)}"
    return Diagnostic(
        "index-count",
        f"`{name}` {takes}, but has {found or 'none'} here",
        span,
        f"write `{wanted}`",
        () if first is None else (Note(f"`{name}` is declared here", first),),
    )


def _indices(number: int) -> str:
    return "an index" if number == 1 else f"{number} indices"


def target_indices(span: Span, name: str, wanted: str, plates: Sequence[str]) -> Diagnostic:
    if plates:
        message = f"`{name}` stands in the plate{'s' * (len(plates) > 1)} of {_list(plates)}"
        message += " and must have just these indices"
    else:
        message = f"`{name}` stands in no plate, so it has no index"
    return Diagnostic("target-indices", message, span, f"write `{wanted}`")


def index_out_of_range(span: Span, shown: str, extent: str) -> Diagnostic:
    last = str(int(extent) - 1) if extent.isdigit() else f"{extent} - 1"
    message = f"the index `{shown}` is outside 0..{last}"
    return Diagnostic("index-out-of-range", message, span, "indices start at 0")


def looks_ahead(span: Span, shown: str, axis: str) -> Diagnostic:
    return Diagnostic(
        "index-out-of-range",
        f"the index `{shown}` runs out of the plate of `{axis}`",
        span,
        f"look back instead: `{axis} - 1`",
    )


def bad_index(span: Span, why: str) -> Diagnostic:
    return Diagnostic(
        "bad-index",
        f"{why} can't be an index",
        span,
        "an index is a whole number, a plate's index (or a lag of it, `t - 1`), "
        "or a `category`, `index` or `bool`",
    )


def lag_without_start(span: Span, shown: str, axis: str, lag: int) -> Diagnostic:
    start = f"{axis} == 0" if lag == 1 else f"{axis} < {lag}"
    places = f"{axis} = 0" if lag == 1 else f"{axis} < {lag}"
    return Diagnostic(
        "lag-without-start",
        f"`{shown}` has no value at {places}",
        span,
        f"say how the chain starts: `... if {start} else ...`",
    )


def parent_without_root(span: Span, shown: str, parent: str, axis: str) -> Diagnostic:
    return Diagnostic(
        "parent-without-root",
        f"`{shown}` has no value at the root of a tree, which has no parent",
        span,
        f"say how a tree starts: `... if {parent} < 0 else ...`, or `... if {axis} == 0 else ...`",
    )


def used_before_declared(span: Span, name: str, declared: Span) -> Diagnostic:
    return Diagnostic(
        "used-before-declared",
        f"`{name}` is used before it is drawn",
        span,
        f"move the declaration of `{name}` above this line",
        (Note(f"`{name}` is drawn here", declared),),
    )


def cycle(span: Span, names: Sequence[str], places: Sequence[Span], drawn: bool) -> Diagnostic:
    if len(names) == 1:
        message = f"`{names[0]}` depends on itself"
    else:
        message = f"{_list(names)} depend on each other in a circle"
    hint = "say what one of them is without the others"
    if drawn:
        hint = "let one of them depend on the past only, as in `z[t-1]`"
    notes = tuple(Note(f"`{n}` is here", p) for n, p in zip(names[1:], places[1:], strict=True))
    return Diagnostic("cycle", message, span, hint, notes)


def bad_weight(span: Span, wanted: str) -> Diagnostic:
    return Diagnostic(
        "bad-weight",
        "the weight of a plate must be an input or a const with the plate's indices",
        span,
        f"write `times {wanted}`",
    )


def param_in_plate(span: Span, role: str, wanted: str) -> Diagnostic:
    return Diagnostic(
        "param-in-plate",
        f"a {role} can't be declared inside a plate",
        span,
        f"declare it above the plate, with the plate's size: `{wanted}`",
    )


# --- sizes -----------------------------------------------------------------------------------


def size_not_read(
    span: Span, name: str, model: str, uses: Sequence[Span], near: Sequence[str]
) -> Diagnostic:
    way_out = f"choose it when fitting: `model {model}({name} = 2)`; "
    way_out += "or declare data, an input or a const with this size"
    return Diagnostic(
        "size-not-read",
        f"the size `{name}` can't be read off the data: no data, input or const has it",
        span,
        _near(near, way_out),
        tuple(Note(f"`{name}` is also used here", u) for u in uses),
    )


def sizes_disagree(
    span: Span, left: str, right: str, hint: str, notes: tuple[Note, ...] = ()
) -> Diagnostic:
    if left.isdigit() and right.isdigit():
        message = f"the sizes here disagree: one is {left}, the other {right}"
    else:
        message = f"{_extent(left)} and {_extent(right)} must be equal here"
    return Diagnostic("sizes-disagree", message, span, hint, notes)


def _extent(text: str) -> str:
    return text if text.isdigit() else f"`{text}`"


def not_a_size(span: Span, name: str, role: str, declared: Span) -> Diagnostic:
    return Diagnostic(
        "not-a-size",
        f"a size is needed here, but `{name}` is {role}",
        span,
        "give the size, or this declaration, another name",
        (Note(f"`{name}` is declared here", declared),),
    )


def bad_extent(span: Span, why: str) -> Diagnostic:
    return Diagnostic(
        "bad-extent",
        f"{why} can't be an extent",
        span,
        "an extent is a size (`K`), a whole number from 1 on, or, for a plate, `T[s]`",
    )


def ragged_and_plain(span: Span, name: str, other: Span) -> Diagnostic:
    return Diagnostic(
        "ragged-and-plain",
        f"the size `{name}` is used both with an index and without",
        span,
        f"use another name for one of them, or write `{name}[...]` everywhere",
        (Note(f"`{name}` is used the other way here", other),),
    )


def size_as_value(span: Span, name: str) -> Diagnostic:
    message = f"the ragged size `{name}` can't be used as a number"
    return Diagnostic("size-as-value", message, span, "declare an `input` that holds it")


def bad_default(span: Span, name: str) -> Diagnostic:
    message = f"the default of the size `{name}` must be a whole number from 1 on"
    return Diagnostic("bad-default", message, span, f"write `{name} = 2`")


# --- types -----------------------------------------------------------------------------------


def type_needed(span: Span, name: str, why: str, example: str) -> Diagnostic:
    return Diagnostic("type-needed", f"`{name}` needs a type: {why}", span, f"write `{example}`")


def type_extents(span: Span, name: str, wanted: str) -> Diagnostic:
    message = f"the type `{name}` has the wrong number of extents"
    return Diagnostic("type-extents", message, span, f"write `{wanted}`")


def discrete_param(span: Span, name: str, kind: str) -> Diagnostic:
    return Diagnostic(
        "discrete-param",
        f"`{name}` is a param of the discrete type `{kind}`, but a param is continuous",
        span,
        "make it a `latent` (summed out), or a `const` or header size (given)",
    )


def index_role(span: Span, name: str, role: str) -> Diagnostic:
    return Diagnostic(
        "index-role",
        f"`{name}` is {role}, but only an input or a const can have the type `index`",
        span,
        "use `category[...]`",
    )


def support_mismatch(
    span: Span, name: str, declared: str, dist: str, support: str, hint: str
) -> Diagnostic:
    return Diagnostic(
        "support-mismatch",
        f"`{name}` is declared `{declared}`, but {dist} draws `{support}`",
        span,
        hint,
    )


def arms_disagree(span: Span, then: str, orelse: str) -> Diagnostic:
    return Diagnostic(
        "arms-disagree",
        f"one choice draws `{then}`, the other `{orelse}`: no single type holds both",
        span,
        "choose between distributions that are all discrete or all continuous, of one shape",
    )


def value_out_of_type(span: Span, name: str, declared: str, value: str) -> Diagnostic:
    return Diagnostic(
        "value-out-of-type",
        f"`{name}` is declared `{declared}`, but takes the value {value}",
        span,
        "change the type or the value",
    )


# --- distributions and their arguments -------------------------------------------------------


def value_shape(span: Span, name: str, declared: str, value: str) -> Diagnostic:
    message = f"`{name}` is declared as {declared}, but its value is {value}"
    return Diagnostic("value-out-of-type", message, span, "change the type or the value")


def missing_argument(span: Span, family: str, names: Sequence[str], usage: str) -> Diagnostic:
    noun = "argument" if len(names) == 1 else "arguments"
    message = f"`{family}` lacks its {noun} {_list(names)}".rstrip()
    return Diagnostic("missing-argument", message, span, f"write `{usage}`")


def too_many_arguments(span: Span, family: str, found: int, most: int, usage: str) -> Diagnostic:
    message = f"`{family}` takes at most {_count(most, 'argument')}, but has {found}"
    return Diagnostic("too-many-arguments", message, span, f"write `{usage}`")


def repeated_argument(span: Span, family: str, name: str, first: Span) -> Diagnostic:
    return Diagnostic(
        "repeated-argument",
        f"`{family}` is given `{name}` twice",
        span,
        "remove one of them",
        (Note(f"`{name}` is also given here", first),),
    )


def conflicting_arguments(
    span: Span, family: str, name: str, other: str, first: Span
) -> Diagnostic:
    return Diagnostic(
        "conflicting-arguments",
        f"`{family}` takes `{name}` or `{other}`, not both",
        span,
        "remove one of them",
        (Note(f"`{other}` is given here", first),),
    )


def unknown_argument(
    span: Span, family: str, name: str, near: Sequence[str], known: Sequence[str]
) -> Diagnostic:
    message = f"`{family}` has no argument `{name}`"
    return Diagnostic("unknown-argument", message, span, _near(near, f"it takes {_list(known)}"))


def argument_shape(
    span: Span, family: str, name: str, wanted: str, found: str, hint: str = ""
) -> Diagnostic:
    message = f"the `{name}` of `{family}` must be {wanted}, but this is {found}"
    return Diagnostic("argument-shape", message, span, hint)


def argument_support(
    span: Span, family: str, name: str, wanted: str, found: str, hint: str, declared: Note | None
) -> Diagnostic:
    return Diagnostic(
        "argument-support",
        f"the `{name}` of `{family}` must be {wanted}, but {found}",
        span,
        hint,
        (declared,) if declared else (),
    )


def bad_base(span: Span, wrapper: str, why: str, usage: str) -> Diagnostic:
    return Diagnostic(
        "bad-base",
        f"`{wrapper}` wraps a univariate distribution, but this is {why}",
        span,
        f"write `{usage}`",
    )


def empty_limits(span: Span, lower: str, upper: str) -> Diagnostic:
    return Diagnostic(
        "empty-limits",
        f"no value lies between the limits {lower} and {upper}",
        span,
        "the `lower` limit comes first; leave out a limit that isn't there",
    )


def broken_limit(span: Span, word: str, family: str) -> Diagnostic:
    return Diagnostic(
        "broken-limit",
        f"`{family}` draws whole numbers, so its `{word}` limit must be one",
        span,
        "write a whole number, or declare what gives the limit as `count` or `int`",
    )


def prior_uses(span: Span, name: str, role: str) -> Diagnostic:
    return Diagnostic(
        "prior-uses",
        f"a param's prior can't depend on `{name}`, which is {role}",
        span,
        "a prior may use params, consts and sizes; what depends on data or latents is a latent",
    )


def case_incomplete(span: Span, missing: str) -> Diagnostic:
    message = f"this `case` doesn't cover {missing}"
    return Diagnostic("case-incomplete", message, span, "end it with an `else:` line")


def case_value(span: Span, why: str) -> Diagnostic:
    hint = "give each whole number once, and `else` last"
    return Diagnostic("case-value", why, span, hint)


# --- expressions -----------------------------------------------------------------------------


def wrong_shape(span: Span, operation: str, wanted: str, found: str) -> Diagnostic:
    message = f"`{operation}` needs {wanted}, but has {found}"
    return Diagnostic("wrong-shape", message, span)


def function_arguments(span: Span, name: str, usage: str) -> Diagnostic:
    message = f"`{name}` has the wrong number or kind of arguments"
    return Diagnostic("function-arguments", message, span, f"write `{usage}`")


def uneven_array(span: Span, first: str, other: str) -> Diagnostic:
    message = f"the items of an array must be alike, but one is {first}, this one {other}"
    return Diagnostic("uneven-array", message, span, "give every row the same length")


def not_a_test(span: Span, hint: str) -> Diagnostic:
    message = "a test must be true or false: a comparison or a single `bool`"
    return Diagnostic("not-a-test", message, span, hint)


def index_of_value(span: Span) -> Diagnostic:
    message = "only an array that is declared or written out can be indexed, not an expression"
    hint = "index the arrays that it is made of"
    return Diagnostic("index-of-value", message, span, hint)


def too_large(span: Span, what: str) -> Diagnostic:
    message = f"{what} is too large to compile"
    return Diagnostic("too-large", message, span, "split it up: draw a latent, or simplify")


# --- constants, densities, infer -------------------------------------------------------------


def not_constant(span: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "not-constant",
        f"a const can't be made of {what}",
        span,
        "write numbers, arrays of them, arithmetic and consts from above; "
        "`let` names anything else",
    )


def bad_arithmetic(span: Span, why: str) -> Diagnostic:
    return Diagnostic("bad-arithmetic", f"this constant is not a number: {why}", span)


def const_without_value(span: Span, name: str) -> Diagnostic:
    message = f"the const `{name}` has neither a value nor a type"
    hint = f"write `const {name} = 1`, or `const {name} : real` to give it when fitting"
    return Diagnostic("type-needed", message, span, hint)


def density_type(span: Span, name: str, type_: str, word: str) -> Diagnostic:
    discrete = word == "mass"
    wanted = "`int`, `count` or `bool`" if discrete else "`real`, `positive` or `unit`"
    return Diagnostic(
        "density-type",
        f"the variate `{name}` of a {word} must be {wanted}, but is `{type_}`",
        span,
        f"use `{'density' if discrete else 'mass'}`, or change its type",
    )


def density_scalar(span: Span, name: str, type_: str) -> Diagnostic:
    message = f"`{name}` is `{type_}`, but what a density is made of are single numbers"
    hint = "use a scalar type; over an array the density applies elementwise"
    return Diagnostic("density-type", message, span, hint)


def infer_target(span: Span, name: str, role: str, near: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "infer-target",
        f"`infer` is for latents, but `{name}` is {role}",
        span,
        _near(near, "name the latents whose posterior is to be approximated"),
    )


def not_represented(span: Span, name: str, what: str, families: Sequence[str]) -> Diagnostic:
    """`what` it is; `families` are those that are mixtures over a latent."""
    return Diagnostic(
        "not-augmentable",
        f"`{name}` can't be written with a latent of its own: it is {what}",
        span,
        f"remove the line, or name data drawn from {_list(families)}",
    )


def infer_twice(span: Span, name: str, first: Span) -> Diagnostic:
    return Diagnostic(
        "infer-twice",
        f"`{name}` has two inference methods",
        span,
        "remove one of them",
        (Note("the first one is here", first),),
    )


def unknown_method(span: Span, name: str, near: Sequence[str], known: Sequence[str]) -> Diagnostic:
    message = f"there is no inference method `{name}`"
    hint = _near(near, f"the methods are {_list(known)}")
    return Diagnostic("unknown-method", message, span, hint)


def method_arguments(span: Span, name: str, usage: str) -> Diagnostic:
    message = f"`{name}` has the wrong arguments"
    return Diagnostic("method-arguments", message, span, f"write `{usage}`")


def not_a_constraint(span: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "constraint-form",
        f"a constraint can't be made of {what}",
        span,
        "compare entries of params, numbers times them and their sums with `==`, or one of them "
        "with a number by `>=` or `<=`",
    )


def constraint_of(span: Span, name: str, role: str) -> Diagnostic:
    return Diagnostic(
        "constraint-form",
        f"constraints are about params, but `{name}` is {role}",
        span,
        "name params, or write the condition into the distribution",
    )


def constraint_not_linear(span: Span) -> Diagnostic:
    return Diagnostic(
        "constraint-form",
        "a constraint is linear, but here params are multiplied",
        span,
        "write a sum of numbers times entries: `2 * a[0] - a[1] == 3`",
    )


def constraint_empty(span: Span, text: str) -> Diagnostic:
    return Diagnostic(
        "constraint-form", f"`{text}` says nothing of any param", span, "remove it"
    )  # fmt: skip


def constraint_strict(span: Span, op: str) -> Diagnostic:
    return Diagnostic(
        "constraint-form",
        f"`{op}` leaves a set without its edge, on which nothing may be largest",
        span,
        "write `>=` or `<=`" if op in "<>" else "constraints are `==`, `>=` or `<=`",
    )


def bound_of_several(span: Span) -> Diagnostic:
    return Diagnostic(
        "constraint-type",
        "a bound is of one entry or of all entries of one param, but here are several",
        span,
        "compare with a number; for `a <= b` declare the gap: `param gap : positive`, and use "
        "`a + gap` for b",
    )


def bound_of_type(span: Span, name: str, type_: str, hint: str) -> Diagnostic:
    message = f"`{name}` is {type_}, of which entries have no bounds of their own"
    return Diagnostic("constraint-type", message, span, hint)


def constraint_index(span: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "constraint-index",
        f"an index of `{name}` in a constraint must be a whole number from 0",
        span,
        f"write the entry: `{name}[0]`; without an index all entries are meant",
    )


def constraint_index_range(span: Span, name: str, index: int, size: int) -> Diagnostic:
    return Diagnostic(
        "constraint-index",
        f"`{name}` has no entry {index} there: the dimension has size {size}",
        span,
        f"write an index from 0 to {size - 1}" if size > 1 else "write 0",
    )


def constraint_shapes(span: Span, left: str, right: str) -> Diagnostic:
    return Diagnostic(
        "constraint-type",
        f"the sides of a constraint don't match: {left} and {right}",
        span,
        "index both to entries of the same shape, or `sum(...)` them",
    )


def tie_of_types(span: Span, left: str, right: str) -> Diagnostic:
    return Diagnostic(
        "constraint-type",
        f"{left} can't equal {right}",
        span,
        "tie params of the same type, or use one param in both places",
    )


def tie_of_entries(span: Span, name: str, type_: str) -> Diagnostic:
    return Diagnostic(
        "constraint-type",
        f"single entries of `{name}`, which is {type_}, can't be tied to those of another",
        span,
        "tie the whole of both, or entries within one",
    )


def entry_of_whole(span: Span, name: str, type_: str) -> Diagnostic:
    hint = "fix all of it when fitting (`fix`), or make it a `const`"
    return Diagnostic(
        "constraint-type",
        f"an entry of `{name}` can't be constrained by itself: {type_} is one value",
        span,
        hint,
    )


def linear_of_type(span: Span, name: str, type_: str) -> Diagnostic:
    hint = f"fix or tie its entries, or write a multiple where it is used: `2 * {name}`"
    if type_.startswith("simplex"):
        hint = "its entries sum to 1 as it is; fix or tie them"
    message = f"linear equations are solved for real and posdef params, but `{name}` is {type_}"
    return Diagnostic("constraint-type", message, span, hint)


def linear_of_matrices(span: Span, one: str, other: str) -> Diagnostic:
    return Diagnostic(
        "constraint-type",
        f"a linear equation with entries of `{one}` can't have `{other}` in it: each matrix is "
        "solved by itself",
        span,
        "make them one param with an index, or an equation of each",
    )


def ordered_constrained(span: Span, name: str, type_: str) -> Diagnostic:
    return Diagnostic(
        "constraint-type",
        f"`{name}` is {type_}, whose order is all the constraint it takes",
        span,
        "declare it real to constrain its entries",
    )


def fixed_outside(span: Span, entry: str, value: float, wanted: str) -> Diagnostic:
    return Diagnostic(
        "constraint-support",
        f"`{entry}` can't be {value:g}: {wanted} is expected",
        span,
        "fix it at a value of its type",
    )


def simplex_too_full(span: Span, name: str, total: float) -> Diagnostic:
    return Diagnostic(
        "constraint-support",
        f"the fixed entries of `{name}` sum to {total:g}, but all entries sum to 1",
        span,
        "make them smaller",
    )


def simplex_beyond(span: Span, name: str, side: str, total: float) -> Diagnostic:
    return Diagnostic(
        "contradictory-constraints",
        f"the entries of `{name}` sum to {total:g} at {side} by constraints, to 1 by their type",
        span,
        "make lower bounds smaller" if side == "least" else "make upper bounds larger",
    )


def contradiction(span: Span, entry: str, one: float, two: float, first: Span) -> Diagnostic:
    return Diagnostic(
        "contradictory-constraints",
        f"`{entry}` can't be {two:g} and {one:g}",
        span,
        "remove one of the constraints, or a tie between them",
        (Note(f"it is {one:g} by this", first),),
    )


def no_value_left(span: Span, entry: str, one: str, two: str, first: Span) -> Diagnostic:
    return Diagnostic(
        "contradictory-constraints",
        f"no value of `{entry}` has both `{one}` and `{two}`",
        span,
        "remove one of the constraints",
        (Note("the other is here", first),),
    )


def prior_elsewhere(span: Span, name: str, declared: str) -> Diagnostic:
    return Diagnostic(
        "support-mismatch",
        f"the prior has no value that `{name}`, being {declared}, can have",
        span,
        "correct its bounds, or declare the param of another type",
    )


def no_data(span: Span, name: str) -> Diagnostic:
    message = f"the model `{name}` has no data, so there is nothing to fit"
    return Diagnostic("no-data", message, span, "declare what is observed: `data x[n] ~ ...`")


def unused(span: Span, name: str, role: str) -> Diagnostic:
    return Diagnostic(
        "unused",
        f"the {role} `{name}` is never used",
        span,
        "remove it, or use it",
        severity=Severity.WARNING,
    )
