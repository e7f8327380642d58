"""Wrong lines and what to say of them: the table behind `mistakes.py`. Knows no parser.

Teach a new mistake by adding an entry: a code, the message (`{found}` is what stopped the
parser), a way out, and one or more lines that go wrong in that way.
"""

from __future__ import annotations

from dataclasses import dataclass

_MODEL = "model M\n"
_CASES = "model M\nlatent z ~ case k:\n    "


@dataclass(frozen=True, slots=True)
class Example:
    """`any_found` covers whatever stops the parser there, `any_line` every kind of line."""

    code: str
    message: str
    hint: str
    lines: tuple[str, ...]
    any_found: bool = False
    any_line: bool = False
    before: str = _MODEL


EXAMPLES: tuple[Example, ...] = (
    # --- header ------------------------------------------------------------------------------
    Example(
        "bad-header",
        "expected the model's name, found {found}",
        "write `model Mixture` or `model Mixture(K = 2)`",
        ("model\n", "model 3", "model (K)"),
        any_found=True,
    ),
    Example(
        "bad-header",
        "expected the end of the line after the header, found `:`",
        "the header opens no block: remove the `:`",
        ("model M:", "model M(K = 2):"),
    ),
    Example(
        "bad-header",
        "expected sizes in parentheses, found `[`",
        "write `model Mixture(K = 2)`",
        ("model M[K]",),
    ),
    # --- plates ------------------------------------------------------------------------------
    Example(
        "missing-colon",
        "expected `:` at the end of `for`, found {found}",
        "write `for n in N:`",
        ("for n in N", "for n in T[s]", "for n in N times f"),
    ),
    Example(
        "bad-plate",
        "expected the index of the plate, found {found}",
        "write `for n in N:`",
        ("for 3 in N:", "for (n in N):"),
        any_found=True,
    ),
    Example(
        "bad-plate",
        "expected `in` after the index, found {found}",
        "write `for n in N:`; one plate has one index, and plates nest",
        ("for n = N:", "for n, m in N:"),
        any_found=True,
    ),
    Example(
        "bad-plate",
        "expected the end of the line after `:`, found {found}",
        "an extent is one size, and the body stands below, indented: `for n in N:`",
        ("for n in 1:N:", "for n in N: latent z ~ D"),
        any_found=True,
    ),
    # --- distributions -----------------------------------------------------------------------
    Example(
        "expected-tilde",
        "expected `~` before a distribution, found {found}",
        "write `x ~ Normal(...)` for a draw; a value is named by `let`",
        (
            "latent z[n] = D",
            "latent z = D",
            "latent z : real = D",
            "latent z : real[D] = D",
            "data x[n] = D",
            "data x = D",
            "data x : real = D",
            "data x : real[D] = D",
        ),
    ),
    Example(
        "expected-tilde",
        "expected `~` and a prior, found {found}",
        "a param is estimated; a prior follows `~`, and a fixed value is a `const`",
        ("param p = 3", "param p[K] = 3", "param p : unit = D", "param p : real[D] = D"),
    ),
    Example(
        "expected-tilde",
        "expected `~` before a distribution, found `==`",
        "write `x ~ Normal(...)` for a draw",
        ("latent z == D", "data x == D", "latent z : real == D", "data x : real == D"),
    ),
    Example(
        "missing-distribution",
        "expected `~` and a distribution, found the end of the line",
        "a latent is drawn from one: `latent z[n] ~ Normal(0, 1)`",
        ("latent z", "latent z[n]", "latent z : real", "latent z : real[D]"),
    ),
    Example(
        "missing-distribution",
        "expected `~` and a distribution, found the end of the line",
        "data are drawn from one; what is not modelled is an `input`",
        ("data x", "data x[n]", "data x : real", "data x : real[D]"),
    ),
    Example(
        "missing-colon",
        "expected `:` before the type, found {found}",
        "write `x : real`",
        tuple(
            f"{role} x{index} real"
            for role in ("param", "latent", "data", "input", "const")
            for index in ("", "[n]")
        ),
    ),
    Example(
        "one-type",
        "expected one type for the whole line, found `,`",
        "write `a, b : real`, or declare each on a line of its own",
        tuple(
            f"{role} x : real{extent}, y : real"
            for role in ("param", "latent", "data", "input", "const")
            for extent in ("", "[D]")
        ),
    ),
    Example(
        "drawn-input",
        "expected the end of the line, found {found}",
        "an input is given and not modelled; what is modelled is `data`",
        ("input u ~ D", "input u : real ~ D", "input u[n] ~ D", "input u : real[D] ~ D"),
    ),
    Example(
        "drawn-input",
        "expected the end of the line, found `=`",
        "an input is given when fitting; a value in the file is a `const`",
        ("input u = 3", "input u : real = 3", "input u[n] = 3", "input u : real[D] = 3"),
    ),
    # --- values ------------------------------------------------------------------------------
    Example(
        "expected-equals",
        "expected `=` and an expression, found {found}",
        "`let` names an expression: `let eta[n] = dot(beta, u[n])`",
        ("let a ~ D", "let a[n] ~ D", "let a == 3", "let a[n] == 3", "let a\n", "let a[n]\n"),
        any_found=True,
    ),
    Example(
        "expected-equals",
        "expected `=` and no type, found `:`",
        "the type of a `let` follows from its expression",
        ("let a : real = 3", "let a[n] : real = 3"),
    ),
    Example(
        "expected-equals",
        "expected `=` and a value, found {found}",
        "a `const` is fixed, not drawn: write `const a = [1, 2]`",
        (
            "const a ~ D",
            "const a[n] ~ D",
            "const a == 3",
            "const a[n] == 3",
            "const a : real ~ D",
            "const a : real[D] ~ D",
            "const a : real == 3",
            "const a : real[D] == 3",
        ),
    ),
    # --- infer -------------------------------------------------------------------------------
    Example(
        "bad-infer",
        "expected `using` and a method, found {found}",
        "write `infer z using meanfield`",
        ("infer z\n", "infer z = meanfield", "infer z with meanfield"),
        any_found=True,
    ),
    Example(
        "bad-infer",
        "expected the name of a latent without indices, found {found}",
        "write `infer z using meanfield`",
        ("infer z[n] using meanfield",),
    ),
    Example(
        "bad-infer",
        "expected the name of a method, found {found}",
        "write `infer z using meanfield`",
        ("infer z using\n", "infer z using (21)"),
    ),
    # --- densities ---------------------------------------------------------------------------
    Example(
        "bad-density",
        "expected a name for the distribution, found {found}",
        "write `density F(x : positive; s : positive) = ...`",
        ("density (x : real) = 3", "mass (x : real) = 3"),
    ),
    Example(
        "bad-density",
        "expected `:` and a type, found {found}",
        "every name has its type: `density F(x : positive; s : positive) = ...`",
        ("density F(x) = 3", "density F(x; s) = 3", "density F(x : real; s) = 3"),
    ),
    Example(
        "bad-density",
        "expected `;` after the variable, found `,`",
        "parameters come after `;`: `density F(x : positive; s : positive) = ...`",
        ("density F(x : real, s : real) = 3", "density F(x : real[D], s : real) = 3"),
    ),
    Example(
        "bad-density",
        "expected `=` and the density, found {found}",
        "write `density F(x : positive; s : positive) = ...`",
        ("density F(x : real) ~ D", "density F(x : real)\n", "density F(x : real):"),
        any_found=True,
    ),
    # --- cases -------------------------------------------------------------------------------
    Example(
        "missing-colon",
        "expected `:` after the subject of `case`, found {found}",
        "write `latent y[n] ~ case z[n]:`",
        ("latent y ~ case z", "data y ~ case z", "param y ~ case z", "data y ~ a if b else case z"),
    ),
    Example(
        "missing-colon",
        "expected `:` after `else`, found {found}",
        "write `else: Normal(0, 1)`",
        ("else Normal(0, 1)",),
        any_found=True,
        before=_CASES,
    ),
    Example(
        "missing-colon",
        "expected `:` after the value of the case, found {found}",
        "write `0: Normal(0, 1)`",
        ("0 Normal(0, 1)", "k Normal(0, 1)", "0 = Normal(0, 1)", "0 ~ Normal(0, 1)", "k[0] ~ D"),
        any_line=True,
        before=_CASES,
    ),
    Example(
        "misplaced-case",
        "expected an expression, found the keyword `case`",
        "`case` stands right after `~` or `else`; elsewhere choose with `A if test else B`",
        ("let a = case k:", "let a = b + case k:"),
        any_line=True,
    ),
    # --- expressions -------------------------------------------------------------------------
    Example(
        "bad-conditional",
        "expected a test with `==`, found `=`",
        "compare with `==`: `A if t == 0 else B`",
        ("let a = b if t = 0 else c",),
        any_line=True,
    ),
    Example(
        "bad-conditional",
        "expected `else` and the other choice, found {found}",
        "write both: `A if test else B`",
        ("let a = b if c\n", "let a = b if c == 3\n", "let a = (b if c)"),
        any_line=True,
    ),
    Example(
        "slice",
        "expected `]` or `,`, found `:`",
        "there are no slices; an index picks one element",
        ("let a = b[1:2]", "let a = [b : c]"),
        any_line=True,
    ),
    Example(
        "slice",
        "expected an index, found `:`",
        "there are no slices; leave trailing indices out: `A[i]` is a row",
        ("let a = b[:]", "let a = b[1, :]"),
        any_line=True,
    ),
    Example(
        "empty-brackets",
        "expected an expression, found `]`",
        "brackets hold at least one element",
        ("let a = []", "let a = b[]", "param b[] : real", "param b : real[]"),
        any_line=True,
    ),
    Example(
        "comprehension",
        "expected `]` or `,`, found the keyword `for`",
        "there are no comprehensions: repeat with a plate, `for n in N:`",
        ("let a = [b for b in c]",),
        any_line=True,
    ),
    Example(
        "comprehension",
        "expected `)` or `,`, found the keyword `for`",
        "there are no comprehensions: repeat with a plate, `for n in N:`",
        ("let a = sum(b for b in c)", "let a = (b for b in c)"),
        any_line=True,
    ),
    Example(
        "bad-argument",
        "expected one expression in the parentheses, found `,`",
        "an array is written `[a, b]`",
        ("let a = (b, c)", "let a = (b[n], c)"),
        any_line=True,
    ),
)
