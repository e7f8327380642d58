"""A generated module with the runtime inside: one file that needs NumPy and SciPy alone.

The runtime's own source goes above the model: the definitions the model reaches, in the order they
need each other, under names that neither the model nor each other use. What was `rt.fit` is then
`rt_fit`, `nm.log` is `nm_log`, `rt.Params` is `Params`.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from emdsl.backends.scopes import Edit, Reference, apply, identifiers, references
from emdsl.diagnostics import Bug

_PACKAGE = "emdsl.runtime"
_PREFIX = {"numerics": "nm", "sampling": "sampling"}  # as generated modules call them
_ROOTS = "api"  # whatever users can ask of a model is there, whether the model names it or not

Key = tuple[str, str]  # a module of the runtime, and a name at its top


@dataclass(frozen=True, slots=True)
class _Statement:
    """A top-level statement: its text with the comments above it, and the blank lines before."""

    node: ast.stmt
    first: int  # lines of the module's text, from 0
    stop: int
    gap: int
    names: tuple[str, ...]


@dataclass(slots=True)
class _Module:
    """One module's source, and what the names at its top stand for."""

    name: str
    text: str
    statements: list[_Statement] = field(default_factory=list)
    foreign: dict[str, Key] = field(default_factory=dict)  # names imported from the runtime
    modules: dict[str, str] = field(default_factory=dict)  # modules of the runtime, by alias
    outside: dict[str, str] = field(default_factory=dict)  # other imports: name -> statement
    stars: list[str] = field(default_factory=list)
    removed: list[ast.stmt] = field(default_factory=list)  # imports of the runtime, anywhere
    references: list[Reference] = field(default_factory=list)
    identifiers: frozenset[str] = frozenset()
    first: tuple[Key, ...] = ()  # what of the runtime it imports before anything else

    @property
    def defined(self) -> Iterator[str]:
        return (name for s in self.statements for name in s.names)


def standalone(text: str) -> str:
    """A generated module's text as one file that runs without emdsl. The same for the same text."""
    runtime = _runtime()
    exports = _exports(runtime)
    model = _read("", text)
    kept = _reached(runtime, exports, model)
    names = _names(runtime, model, kept)
    order = _order(runtime, kept)
    printed = _once(names, order)
    sections = [_section(runtime[name], runtime, exports, names, printed) for name in order]
    document = ast.get_docstring(ast.parse(text), clean=False) or ""
    doc_lines = text.split("\n")[: document.count("\n") + 1]
    everything = {key for s in model.statements for key in [("", n) for n in s.names]}
    return "\n".join(
        [
            *doc_lines,
            "",
            *_imports([*(runtime[n] for n in order), model], kept | everything),
            "",
            "# The runtime of emdsl, as far as this model needs it; the model is at the end.",
            *(line for section in sections for line in section),
            "",
            "",
            f"# {'=' * 96}",
            "# The model",
            f"# {'=' * 96}",
            *_section(model, runtime, exports, names, everything)[3:],
            "",
        ]
    )


@cache
def _runtime() -> Mapping[str, _Module]:
    """The runtime's modules by name; reading them takes seconds, and they stay as they are."""
    return {name: _read(name, source) for name, source in _sources()}


def _sources() -> Iterator[tuple[str, str]]:
    """The runtime's modules by name, from the installed package."""
    folder = files("emdsl").joinpath("runtime")
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".py"):
            yield file.name.removesuffix(".py"), file.read_text(encoding="utf-8")


# --- reading -----------------------------------------------------------------------------------


def _read(name: str, text: str) -> _Module:
    tree = ast.parse(text)
    module = _Module(
        name,
        text,
        references=references(tree),
        identifiers=identifiers(tree),
        first=tuple(_imported_on_top(tree)),
    )
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            _note_import(module, node, top=node in tree.body)
    end = 0
    lines = text.split("\n")
    for node in tree.body:
        stop = node.end_lineno or node.lineno
        first = end
        while not lines[first].strip():
            first += 1
        names = _bound(node)
        imported = isinstance(node, (ast.Import, ast.ImportFrom)) or _for_types(node)
        plain = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not imported and not plain and names != ("__all__",):
            module.statements.append(_Statement(node, first, stop, min(first - end, 2), names))
        end = stop
    return module


def _for_types(node: ast.stmt) -> bool:
    """`if TYPE_CHECKING:` and the imports below it, which nothing needs to run."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _note_import(module: _Module, node: ast.Import | ast.ImportFrom, *, top: bool) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            text = f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
            if top:
                module.outside[alias.asname or alias.name.split(".")[0]] = text
        return
    source = node.module or ""
    if source.split(".")[0] != "emdsl":
        if top and source != "__future__":
            for alias in node.names:
                text = alias.name + (f" as {alias.asname}" if alias.asname else "")
                module.outside[alias.asname or alias.name] = f"from {source} import {text}"
        return
    module.removed.append(node)
    for alias in node.names:
        name = alias.asname or alias.name
        if alias.name == "*":
            module.stars.append(source.removeprefix(f"{_PACKAGE}."))
        elif source == _PACKAGE:
            module.modules[name] = alias.name
        elif source == "emdsl":
            module.modules[name] = "__init__"
        else:
            module.foreign[name] = (source.removeprefix(f"{_PACKAGE}."), alias.name)


def _bound(node: ast.stmt) -> tuple[str, ...]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return (node.name,)
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return tuple(t.id for t in targets if isinstance(t, ast.Name))


def _exports(runtime: Mapping[str, _Module]) -> dict[str, Key]:
    """What `rt.X` means: the names that the runtime package gives, later ones over earlier."""
    package = runtime["__init__"]
    found: dict[str, Key] = {}
    for star in package.stars:
        found.update({n: (star, n) for n in runtime[star].defined if not n.startswith("_")})
    found.update(package.foreign)
    return {name: _source(runtime, key) for name, key in found.items()}


def _source(runtime: Mapping[str, _Module], key: Key) -> Key:
    """Where a name is defined, behind modules that only pass it on."""
    while key[1] not in set(runtime[key[0]].defined):
        key = runtime[key[0]].foreign[key[1]]
    return key


# --- what is needed, in which order, under which name ------------------------------------------


def _meaning(
    module: _Module, runtime: Mapping[str, _Module], exports: Mapping[str, Key], ref: Reference
) -> Key | None:
    """The runtime's (or the model's own) definition that a global reference is to."""
    if ref.attribute is not None and ref.name in module.modules:
        target = module.modules[ref.name]
        if target == "__init__":
            return exports[ref.attribute]
        return _source(runtime, (target, ref.attribute))
    if ref.name in module.foreign:
        return _source(runtime, module.foreign[ref.name])
    if ref.name in set(module.defined):
        return (module.name, ref.name)
    return None


def _inside(module: _Module, statement: _Statement) -> Iterator[Reference]:
    lines = range(statement.first + 1, statement.stop + 1)
    return (r for r in module.references if r.node.lineno in lines)


def _reached(
    runtime: Mapping[str, _Module], exports: Mapping[str, Key], model: _Module
) -> set[Key]:
    """The runtime's definitions that the model and its users can reach."""
    todo = [key for ref in model.references if (key := _meaning(model, runtime, exports, ref))]
    todo += [_source(runtime, key) for key in runtime[_ROOTS].foreign.values()]
    kept: set[Key] = set()
    while todo:
        key = todo.pop()
        if key in kept or not key[0]:
            continue
        kept.add(key)
        module = runtime[key[0]]
        statement = next(s for s in module.statements if key[1] in s.names)
        for ref in _inside(module, statement):
            meaning = _meaning(module, runtime, exports, ref)
            if meaning is not None:
                todo.append(meaning)
    return kept


def _order(runtime: Mapping[str, _Module], kept: set[Key]) -> list[str]:
    """The modules with anything to keep, each after those whose names its top-level code uses."""
    order: list[str] = []

    def visit(name: str) -> None:
        module = runtime[name]
        for other in sorted({*(m for m, _ in module.first), *module.stars}):
            if other not in order:
                visit(other)
        if name not in order:
            order.append(name)

    for name in sorted({module for module, _ in kept}):
        visit(name)
    needed = {module for module, _ in kept}
    return [name for name in order if name in needed]


def _imported_on_top(tree: ast.Module) -> Iterator[Key]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{_PACKAGE}."):
            yield from ((str(node.module).removeprefix(f"{_PACKAGE}."), a.name) for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == _PACKAGE:
            yield from ((a.name, "") for a in node.names)


def _names(runtime: Mapping[str, _Module], model: _Module, kept: set[Key]) -> dict[Key, str]:
    """A name for each definition that no other definition, local or model name has.

    Equal definitions of one name (an alias that two modules spell out) share it.
    """
    used = set(dir(builtins)) | model.identifiers | {"rt", "nm", "sampling"}
    for part in runtime.values():
        used |= part.identifiers - set(part.defined) - set(part.foreign)
    texts: dict[str, str] = {}
    names: dict[Key, str] = {}
    for key in sorted(kept):
        module, name = key
        node = next(s.node for s in runtime[module].statements if name in s.names)
        own = name
        if name[0].islower():
            own = f"{_PREFIX.get(module, 'rt')}_{name}"
        while own in used and texts.get(own) != ast.dump(node):
            bare = own.lstrip("_")
            own = f"{'_' * (len(own) - len(bare))}{module}_{bare}"
        used.add(own)
        texts[own] = ast.dump(node)
        names[key] = own
    return names


def _once(names: Mapping[Key, str], order: list[str]) -> set[Key]:
    """Of equal definitions that share a name, the first."""
    first: dict[str, Key] = {}
    for key in sorted(names, key=lambda k: (order.index(k[0]), k[1])):
        first.setdefault(names[key], key)
    return set(first.values())


# --- printing ----------------------------------------------------------------------------------


def _section(
    module: _Module,
    runtime: Mapping[str, _Module],
    exports: Mapping[str, Key],
    names: Mapping[Key, str],
    kept: set[Key],
) -> list[str]:
    """The lines of one module's statements that define what is in `kept`, under a heading."""
    edits: list[Edit] = []
    for ref in module.references:
        meaning = _meaning(module, runtime, exports, ref)
        if meaning is not None and meaning in names:
            whole = ref.attribute is not None and ref.name in module.modules
            old = f"{ref.name}.{ref.attribute}" if whole else ref.name
            edits.append(Edit(ref, old, names[meaning]))
    lines = apply(module.text, edits, module.removed)
    heading = f"# --- emdsl.runtime.{module.name} "
    out = ["", "", heading + "-" * (98 - len(heading))]
    first = True
    for statement in module.statements:
        if statement.names:
            keys = [(module.name, n) for n in statement.names]
            wanted = any(k in kept for k in keys)
        else:  # such as a call: it goes with what it is about
            found = [_meaning(module, runtime, exports, r) for r in _inside(module, statement)]
            wanted = all(k in kept for k in found if k is not None)
        if wanted:
            gap = 1 if first and statement.gap < 2 else statement.gap
            out += [""] * gap
            out += [line for line in lines[statement.first : statement.stop] if line is not None]
            first = False
    return out


def _imports(modules: list[_Module], kept: set[Key]) -> list[str]:
    """The imports of what is kept, each once: the standard library, then the rest."""
    needed: set[str] = set()
    for module in modules:
        for statement in module.statements:
            keys = {(module.name, n) for n in statement.names}
            if not keys or keys & kept:
                needed |= {
                    module.outside[r.name]
                    for r in _inside(module, statement)
                    if r.name in module.outside
                }
    for module in modules:  # one namespace for all: an import must not hide a definition
        clash = {n for n, text in module.outside.items() if text in needed} & set(
            modules[-1].defined
        )
        if clash:
            raise Bug(f"{module.name} imports {', '.join(sorted(clash))}, which models define")
    froms: dict[str, list[str]] = {}
    plain: list[str] = []
    for text in sorted(needed):
        match = re.fullmatch(r"from (\S+) import (.+)", text)
        if match:
            froms.setdefault(match[1], []).append(match[2])
        else:
            plain.append(text)
    rows = plain + [f"from {m} import {', '.join(sorted(froms[m]))}" for m in sorted(froms)]
    own = [r for r in rows if r.split()[1].split(".")[0] in sys.stdlib_module_names]
    rest = [r for r in rows if r not in own]
    return ["from __future__ import annotations", "", *own, "", *rest]
