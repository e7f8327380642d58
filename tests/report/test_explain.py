"""What `emdsl explain` says, of every model of the gallery that compiles."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from emdsl.compiler import compile_source
from emdsl.report.explain import explain
from emdsl.report.style import escape
from emdsl.source import Source
from tests.gallery.models import FITTED, compiled, each_fitted
from tests.report.regenerate import GOLDEN, LATEX, MODELS, ROOT, excerpt


@cache
def report(path: Path, *, latex: bool) -> str:
    return explain(compiled(path), latex=latex)


def of(text: str, *, latex: bool = False) -> str:
    return explain(compile_source(Source(text)), latex=latex)


# --- golden ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_golden_text(name: str) -> None:
    assert excerpt(name, latex=False) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LATEX)
def test_golden_latex(name: str) -> None:
    assert excerpt(name, latex=True) == (GOLDEN / f"{name}.tex.txt").read_text(encoding="utf-8")


# --- every model -------------------------------------------------------------------------------


def test_there_are_models() -> None:
    assert len(FITTED) >= 30


@each_fitted
def test_text_names_everything(path: Path) -> None:
    found, text = compiled(path), report(path, latex=False)
    for param in found.model.params:
        assert re.search(rf"\d\. [^\n]*\b{re.escape(param.name)}\b", text), param.name
    for statistic in found.derivation.derived.statistics:
        assert f"⟨{statistic.name}⟩" in text
    for size in found.model.sizes:
        assert re.search(rf"^  {re.escape(size.name)} +(chosen|read)", text, re.MULTILINE)
    for update in found.derivation.m_step.updates:
        assert f"({update.rule}" in text
    for piece in found.plan.pieces:
        assert f"strategy {piece.match.strategy}" in text


@each_fitted
def test_text_fits_a_terminal(path: Path) -> None:
    for line in report(path, latex=False).splitlines():
        assert len(line) <= 100
        assert line == line.rstrip()


LEAKS = (
    *("Integer(", "Symbol(", "Dummy", "frozenset", "Eq(", "Ne(", "**", "None", "~1", "Abs("),
    *("polygamma", "loggamma(", "besseli", "Softplus", "Expit", "LogBessel", "BesselRatio"),
    *("BesselSlope", "AbsPower", "LogSumExp", "Piecewise", "x~"),
)


@each_fitted
def test_no_python_leaks(path: Path) -> None:
    for latex in (False, True):
        text = report(path, latex=latex)
        for leak in LEAKS:
            assert leak not in text, leak
    assert not re.search(r"\b[a-z]_\d+\b", re.sub(r"⟨\w+⟩", "", report(path, latex=False)))


@each_fitted
def test_every_update_is_derived_and_not_only_noted(path: Path) -> None:
    """Each ends in a formula for its parameter and says why it is a maximum."""
    found, text = compiled(path), report(path, latex=False)
    parts = re.split(r"^\d+\. ", text[text.index("M-step\n---") :], flags=re.MULTILINE)[1:]
    assert len(parts) == len(found.derivation.m_step.updates)
    for part, update in zip(parts, found.derivation.m_step.updates, strict=True):
        for name in (update.param, *update.also):
            assert re.search(rf"^    \(?[^=\n]*{name}′?(\[[a-z0-9,]+\])?[^=\n]*\)? = ", part,
                             re.MULTILINE)  # fmt: skip
        assert "maximum" in part
        assert "concave" in part or "derivative" in part or "parabola" in part


@each_fitted
def test_latex_is_well_formed(path: Path) -> None:
    text = report(path, latex=True)
    bare = re.sub(r"\\.", "", text, flags=re.DOTALL)
    depth = 0
    for char in bare:
        depth += (char == "{") - (char == "}")
        assert depth >= 0
    assert depth == 0
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", text):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    for line in text.splitlines():
        assert len(re.findall(r"(?<!\\)\$", line)) % 2 == 0
    for display in re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", text, re.DOTALL):
        assert "\n\n" not in display
        assert not display.rstrip().endswith("\\\\")
        for row in display.split("\\\\"):
            assert row.count("&") == 1
            assert not re.search(r"\^\{[^{}]*\}\^|'\^|\^\{[^{}]*\}'", row)  # double superscripts
    assert all(ord(c) < 0x180 for c in text)


@each_fitted
def test_latex_escapes_names(path: Path) -> None:
    body = report(path, latex=True).split(r"\begin{document}")[1]
    math = re.findall(r"\$(.*?)\$|\\begin\{align\*\}(.*?)\\end\{align\*\}", body, re.DOTALL)
    rest = re.sub(r"\$.*?\$|\\begin\{align\*\}.*?\\end\{align\*\}", "", body, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)[_^#]", rest)
    for formulas in math:
        for formula in formulas:
            assert not re.search(r"[A-Za-z0-9]_[A-Za-z0-9]", re.sub(r"\\_", "", formula))


@pytest.mark.parametrize(
    "name", ["gaussian_mixture", "linkage", "linear_regression", "coupled_hmm"]
)
def test_is_the_same_byte_for_byte(name: str) -> None:
    """Twice in one process, and in processes that hash otherwise."""
    path = ROOT / "models" / f"{name}.em"
    source = Source(path.read_text(encoding="utf-8"), path.name)
    one = compile_source(source)
    expected = explain(one) + explain(one, latex=True)
    assert explain(one) + explain(one, latex=True) == expected
    code = (
        "import sys; from emdsl.compiler import compile_source;"
        "from emdsl.report.explain import explain; from emdsl.source import Source;"
        f"c = compile_source(Source(open({str(path)!r}, encoding='utf-8').read(), {path.name!r}));"
        "sys.stdout.buffer.write((explain(c) + explain(c, latex=True)).encode())"
    )
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, check=True, cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert found.stdout.decode() == expected


# --- coupled rows ------------------------------------------------------------------------------

SECOND = """\
model Awkward(K = 2, α = 3)

param start    : simplex[K]
param trans[K] : simplex[K]
param u[α]     : simplex[K]
param γ        : simplex[α]
param m[K]     : real

for i in I times w[i]:
    input  w[i] : count
    latent c[i] ~ Categorical(γ)
    for v in V times f[i, v]:
        input  f[i, v] : count
        latent b[i, v] ~ Categorical(u[c[i]])
        data   x[i, v] ~ Normal(m[b[i, v]], 1)
for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   y[t] ~ Normal(m[z[t]], 1)
"""


def test_weights_of_nested_plates() -> None:
    text = of(SECOND)
    assert "log p(b | u, c) = Σ_i w_i Σ_v f_{i,v} log u[c_i,b_{i,v}]" in text
    assert "M₂(c_i) = Σ_v f_{i,v} M₁_{i,v}(c_i)" in text
    assert "The log evidence is Σ_i w_i M₃_i" in text
    assert "Σ_i w_i Σ_v f_{i,v} P(b_{i,v} = k | data)" in text


def test_letters_of_recursions_avoid_the_names_of_the_model() -> None:
    text = of(SECOND)
    assert "α(z_t)" not in text
    assert "a(z_t) = U(z_t) Σ_{z_{t−1}} step(z_{t−1}, z_t) a(z_{t−1})" in text
    assert "posterior(z_t) = a(z_t) β(z_t) / exp(M₁)" in text


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("hmm", "O(S T K²)"),
        ("dawid_skene", "O(R K + I K)"),
        ("mixture_of_hmms", "O(S T C K²)"),
        ("hidden_markov_tree", "O(S T K²)"),
        ("factorial_hmm", "O(16 T)"),
        ("coupled_hmm", "O(T K² L²)"),
        ("second_order_hmm", "O(T K⁴)"),
        ("multilevel_latent_class", "O(G N H K + G N K J)"),
    ],
)
def test_cost(name: str, cost: str) -> None:
    text = report(ROOT / "models" / f"{name}.em", latex=False).replace("\n", " ")
    assert f"Time of an iteration: {cost}" in text


def test_warns_of_a_product_of_states() -> None:
    def warning(name: str) -> bool:
        return "WARNING: the state space" in report(ROOT / "models" / f"{name}.em", latex=False)

    assert warning("coupled_hmm")
    assert not warning("factorial_hmm")  # 4 states
    assert not warning("hmm")


# --- names -------------------------------------------------------------------------------------

AWKWARD = """\
model Awkward_Names(K = 2)
    "100% of $5 & more: {a} \\\\b #1 ~ x^2 <y>"

param my_weight : simplex[K]
param σ_1[K]    : positive
param mu[K]     : real
param t         : positive

for n in N:
    latent z_ind[n] ~ Categorical(my_weight)
    data   y_1[n] ~ Normal(mu[z_ind[n]], σ_1[z_ind[n]])
    data   w[n] : positive ~ Exponential(t)
"""


def test_awkward_names_in_latex() -> None:
    text = of(AWKWARD, latex=True)
    assert r"\mathit{my\_weight}" in text
    assert r"\mu" in text
    assert r"100\% of \$5 \& more: \{a\}" in text
    assert "my_weight" not in text
    assert text.isascii()


def test_awkward_names_in_text() -> None:
    text = of(AWKWARD)
    assert "σ_1[k] = √(" in text
    assert "100% of $5 & more" in text
    assert "Q(t) = A log t − B t" in text


def test_letters_avoid_the_names_of_the_model() -> None:
    """An index isn't called like a parameter, nor a coefficient like a size."""
    text = of(
        "model M(K = 2, A = 2)\n\nparam k[K] : simplex[A]\nparam w : simplex[K]\n\n"
        "for n in N:\n    latent z[n] ~ Categorical(w)\n    data x[n] ~ Categorical(k[z[n]])\n"
    )
    assert "k[l,a]" in text
    assert "B[l] = ⟨z⟩[l]" in text


def test_escape() -> None:
    assert escape("a_b%{}\\^~") == r"a\_b\%\{\}\textbackslash{}\textasciicircum{}\textasciitilde{}"
    assert escape("é α 日") == r"é $\alpha$ U+65E5"


def test_docs_show_what_is_printed() -> None:
    page = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
    shown = re.findall(r"```text\n(.*?)\n```", page, re.DOTALL)
    models = ("gaussian_mixture", "hmm", "mixture_of_experts")
    text = "".join(report(ROOT / "models" / f"{name}.em", latex=False) for name in models)
    text += excerpt("gamma_poisson_rates", latex=False)
    assert len(shown) == 7
    for excerpt_ in shown:
        assert excerpt_ in text


def test_coefficients_of_groups_are_solved_for_by_group() -> None:
    """The formulas have the indicators; the cost is that of sums by place."""
    text = of(
        """
model Effects
param b[G] : real
param beta : real[P]
for n in N:
    input group[n] : category[G]
    input u[n] : real[P]
    data y[n] : bool ~ Bernoulli(logit = dot(beta, u[n]) + b[group[n]])
"""
    )
    plain = " ".join(text.split())
    assert "∂²Q/(∂b[g] ∂b[h]) = Σ_n [group_n = g] [group_n = h]" in text
    assert "Each row picks entries of b, and between different ones the Hessian is zero." in plain
    assert "a step is solved group by group, with a Schur complement" in plain
    assert "A step takes O(N P²) for the sums over rows." in text
