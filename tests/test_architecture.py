"""The house stands as docs/architecture.md draws it: floors, sizes of files, public names."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import isthmus

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "isthmus"
MOST_LINES = 500
LOOKS_UP = {("training.monitor", "showing.figures")}  # inside a function: the notebook's Callback draws its curve


def module_name(path: Path) -> str:
    """`…/isthmus/data/idx.py` -> `"data.idx"`; the package itself is `"__init__"`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(name: str, *, late: bool) -> set[str]:
    """The modules of the package that a module imports at its top level, or with `late` anywhere; types apart."""
    return {module for module in _imported(ast.parse(FILES[name].read_text("utf-8")), late) if module != name}


def _imported(node: ast.AST, late: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.ImportFrom) and (child.module or "").split(".")[0] == "isthmus":
            home = (child.module or "").partition(".")[2]
            for alias in child.names:
                inner = f"{home}.{alias.name}".strip(".")
                yield inner if inner in FILES else home or "__init__"
        elif late or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imported(child, late)


def floors() -> dict[str, int]:
    """Module -> its floor, 0 the lowest, from the table in docs/architecture.md; folders stand for all in them."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## The floors")[2]
    rows = re.findall(r"^\| (\w+) \| (`.*?`) \|", text, flags=re.MULTILINE)
    found = {}
    for level, (_, rooms) in enumerate(reversed(rows)):
        for room in re.findall(r"`([^`]+)`", rooms):
            stem = room.removesuffix("/").removesuffix(".py")
            inside = [m for m in FILES if m == stem or (room.endswith("/") and m.startswith(f"{stem}."))]
            assert inside or (PACKAGE / room).is_file(), f"docs/architecture.md names {room}, which is not there"
            assert not found.keys() & set(inside), f"docs/architecture.md names {room} twice"
            found |= dict.fromkeys(inside, level)
    return found


def test_every_module_has_one_floor() -> None:
    assert floors().keys() == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_imports_go_down(name: str) -> None:
    level = floors()
    upward = {other for other in imports_of(name, late=True) if level[other] > level[name]}
    allowed = {up for who, up in LOOKS_UP if who == name}
    # The package's own __init__ holds nothing but the version and lazy names, so taking the version from it is free.
    assert upward - allowed - {"__init__"} == set()


def test_imports_at_the_top_form_no_circle() -> None:
    graph = {name: imports_of(name, late=False) - {"__init__"} for name in FILES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(FILES)  # it raises CycleError otherwise


@pytest.mark.parametrize("heavy", ["torch", "pydantic", "polars", "matplotlib", "numpy"])
def test_help_imports_nothing_heavy(heavy: str) -> None:
    """What `isthmus --help` loads, followed through all files of the package by their top-level imports."""
    seen, todo = set(), ["__init__", "cli"]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += imports_of(name, late=False)
    roots = {root for name in seen for root in _foreign_roots(ast.parse(FILES[name].read_text("utf-8")))}
    assert heavy not in roots
    assert "typer" in roots  # or nothing was followed


def _foreign_roots(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_no_file_is_longer_than_it_can_be_read() -> None:
    code = [path for folder in ("src", "tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in code}
    assert {path: n for path, n in lengths.items() if n > MOST_LINES} == {}


@pytest.mark.parametrize("name", [n for n, path in FILES.items() if "__all__" in path.read_text("utf-8")])
def test_public_names_are_sorted_and_there(name: str) -> None:
    module = isthmus if name == "__init__" else importlib.import_module(f"isthmus.{name}")
    # CONSTANTS, then Classes, then functions, as ruff's RUF022 sorts them.
    assert list(module.__all__) == sorted(module.__all__, key=lambda n: (not n.isupper(), n[0].islower(), n))
    assert [n for n in module.__all__ if not hasattr(module, n)] == []


def test_public_functions_are_not_hidden_by_modules() -> None:
    for name in isthmus.__all__:
        assert name not in FILES, f"isthmus.{name} and src/isthmus/{name}.py would take each other's place"
    assert sorted(dir(isthmus)) == sorted([*isthmus.__all__, "__version__"])


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'isthmus' has no attribute 'trian'"):
        isthmus.trian  # noqa: B018
