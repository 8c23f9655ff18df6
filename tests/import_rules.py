"""Checks which modules import which, with all kinds of imports: at the top, in functions, and only for types.

python tests/import_rules.py      prints arrows up, circles, late imports without a reason, names used twice
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "isthmus"
HIDDEN = re.compile(r"(\A|[;\n])\s*(from|import) isthmus\b[\w. ]*( import|;|\Z)")
HEAVY = {"torch", "polars", "matplotlib", "sklearn", "scipy", "PIL", "pydantic", "numpy", "fastapi", "uvicorn", "onnx"}


class Import(NamedTuple):
    """One name that a module takes from another; `kind` is "top", "late" (in a function) or "type"."""

    importer: str
    target: str
    kind: str
    line: int


def module_name(path: Path) -> str:
    """`…/isthmus/data/arrays/idx.py` -> `"data.arrays.idx"`; the package itself is `"__init__"`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text("utf-8"))


@cache
def imports_of(name: str) -> tuple[Import, ...]:
    """All imports of the package's own modules in a module."""
    return tuple(found for found in _imports(name, tree_of(name), "top") if found.target != name)


def all_imports() -> Iterator[Import]:
    for name in FILES:
        yield from imports_of(name)


def _imports(name: str, node: ast.AST, kind: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = kind
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            inside = "type"
        elif kind == "top" and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = "late"
        if isinstance(child, ast.ImportFrom | ast.Import):
            yield from (Import(name, target, kind, child.lineno) for target in targets(name, child))
        else:
            yield from _imports(name, child, inside)


def targets(name: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules of the package that an import statement in the module `name` refers to, also relative ones."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            root, _, rest = alias.name.partition(".")
            if root == "isthmus":
                yield rest or "__init__"
        return
    package = ["isthmus", *(name.split(".") if name != "__init__" else [])]
    if FILES[name].name != "__init__.py":
        package = package[:-1]
    base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
    full = ".".join(part for part in (base, node.module or "") if part)
    if full.split(".")[0] != "isthmus":
        return
    home = full.partition(".")[2]
    for alias in node.names:
        inner = f"{home}.{alias.name}".strip(".")
        yield inner if inner in FILES else home or "__init__"


def layers() -> dict[str, int]:
    """Module -> its layer, 0 the lowest, from the table in docs/architecture.md; a folder includes all its modules."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## The layers")[2]
    rows = re.findall(r"^\| ([\w ,]+) \| (`.*?`) \|", text, flags=re.MULTILINE)
    found: dict[str, int] = {}
    for level, (_, places) in enumerate(reversed(rows)):
        for place in re.findall(r"`([^`]+)`", places):
            stem = place.removesuffix("/").removesuffix(".py")
            inside = [m for m in FILES if m == stem or (place.endswith("/") and m.startswith(f"{stem}."))]
            assert inside or (PACKAGE / place).is_file(), f"docs/architecture.md names {place}, which is not there"
            assert not found.keys() & set(inside), f"docs/architecture.md names {place} twice"
            found |= dict.fromkeys(inside, level)
    return found


def arrows_up(imports: Iterable[Import] | None = None) -> list[Import]:
    """Imports that lead to a higher layer, of any kind."""
    level = layers()
    known = [found for found in (all_imports() if imports is None else imports) if found.importer in level]
    return [found for found in known if level.get(found.target, -1) > level[found.importer]]


def without_layer() -> list[str]:
    """Modules that the table in docs/architecture.md does not name."""
    return sorted(FILES.keys() - layers().keys())


def hidden_imports(name: str, tree: ast.Module) -> list[str]:
    """Hidden imports of other modules: by the name as a string, or through the whole package."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"import_module", "__import__"}:
            found.append(f"{name}:{node.lineno} calls {ast.unparse(node.func)}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _names_module(node.value):
            found.append(f"{name}:{node.lineno} names a module in a text: {node.value[:60]!r}")
        elif isinstance(node, ast.Attribute) and (path := ast.unparse(node)).removeprefix("isthmus.") in FILES:
            found += [f"{name}:{node.lineno} reaches {path}"] if path.startswith("isthmus.") else []
    return found


def _names_module(text: str) -> bool:
    """Whether a string is the name of a module, or a program that imports one; a folder may contain data."""
    path = FILES.get(text.removeprefix("isthmus.")) if text.startswith("isthmus.") else None
    return (path is not None and path.name != "__init__.py") or HIDDEN.search(text) is not None


def all_hidden_imports() -> list[str]:
    """For all modules except the package itself, which imports its public names when they are used."""
    return [text for name in FILES if name != "__init__" for text in hidden_imports(name, tree_of(name))]


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, by Tarjan's algorithm (SIAM Journal on Computing 1, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def circles_of_files() -> list[list[str]]:
    graph: dict[str, set[str]] = defaultdict(set)
    for found in all_imports():
        graph[found.importer].add(found.target)
    return circles(graph)


def circles_of_folders() -> list[list[str]]:
    """Folders that import each other, at every depth; files next to folders count separately."""
    found = []
    for inside in ["", *sorted({f"{m.rpartition('.')[0]}." for m in FILES if "." in m})]:
        graph: dict[str, set[str]] = defaultdict(set)
        for a, b in ((i.importer, i.target) for i in all_imports()):
            if a.startswith(inside) and b.startswith(inside):
                one, other = (m.removeprefix(inside).split(".")[0] for m in (a, b))
                graph[one].update({other} - {one})
        found += circles(graph)
    return found


@cache
def foreign_roots(name: str) -> frozenset[str]:
    """The slow libraries that are imported with a module, also through the modules that it imports at its top."""
    seen: set[str] = set()
    roots: set[str] = set()
    todo = [name]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        todo += [found.target for found in imports_of(module) if found.kind == "top"]
        for node in tree_of(module).body:
            if isinstance(node, ast.Import):
                roots |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                roots.add((node.module or "").partition(".")[0])
    return frozenset(roots)


def late_without_reason() -> list[Import]:
    """Imports in functions that avoid no slow library, and so belong at the top."""
    late = (found for found in all_imports() if found.kind == "late")
    return [
        f for f in late if not foreign_roots(f.target) & HEAVY - foreign_roots(f.importer) and f.importer != "__main__"
    ]


def double_names() -> dict[str, list[str]]:
    """File names and class names that occur more than once in the package."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, path in FILES.items():
        if not path.name.startswith("__"):
            found[path.name].append(name)
        for node in ast.walk(tree_of(name)):
            if isinstance(node, ast.ClassDef):
                found[f"class {node.name}"].append(name)
    return {what: where for what, where in found.items() if len(where) > 1}


def main() -> int:
    problems = [f"up: {i.importer}:{i.line} imports {i.target} ({i.kind})" for i in arrows_up()]
    problems += [f"in no layer: {name}; add it to the table in docs/architecture.md" for name in without_layer()]
    problems += [f"hidden: {text}" for text in all_hidden_imports()]
    problems += [f"circle: {', '.join(group)}" for group in [*circles_of_files(), *circles_of_folders()]]
    problems += [f"late for nothing: {i.importer}:{i.line} imports {i.target}" for i in late_without_reason()]
    problems += [f"used twice: {what}: {', '.join(where)}" for what, where in double_names().items()]
    print("\n".join(problems) or f"imports: {len(FILES)} modules, no arrow up, no circle, no name used twice")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
