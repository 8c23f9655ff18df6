"""The package agrees with docs/architecture.md: layers, cycles, names, sizes of files, public names."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys

import pytest

import import_rules
import isthmus
from import_rules import FILES, PACKAGE, ROOT, Import, foreign_roots, imports_of, layers

MOST_LINES, MOST_OF_TESTS = 300, 500
LEAST_FILES = 3  # in a folder, without its __init__.py


def test_every_module_has_one_layer() -> None:
    assert layers().keys() == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_imports_of_every_kind_go_down(name: str) -> None:
    assert import_rules.arrows_up(imports_of(name)) == []


def test_no_files_and_no_folders_import_each_other() -> None:
    assert import_rules.circles_of_files() == []
    assert import_rules.circles_of_folders() == []


def test_imports_in_functions_are_there_for_speed() -> None:
    assert import_rules.late_without_reason() == []


def test_a_file_name_and_a_class_name_occur_once() -> None:
    assert import_rules.double_names() == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from isthmus.data.samples import Samples", {"data.samples"}),
        ("from isthmus.data import samples, labels", {"data.samples", "data.labels"}),
        ("import isthmus.data.samples", {"data.samples"}),
        ("from . import samples", {"data.samples"}),
        ("from .samples import Samples", {"data.samples"}),
        ("from ..parts import codes", {"parts.codes"}),
        ("from isthmus import __version__", {"__init__"}),
        ("import numpy", set()),
    ],
)
def test_imports_are_found_however_they_are_written(text: str, found: set[str]) -> None:
    (node,) = ast.parse(text).body
    assert isinstance(node, ast.Import | ast.ImportFrom)
    assert set(import_rules.targets("data.read", node)) == found


def test_arrows_up_are_found_at_the_top_late_and_for_types() -> None:
    up = [Import("data.read", "models.autoencoder", kind, 1) for kind in ("top", "late", "type")]
    assert import_rules.arrows_up([*up, Import("models.loading", "data.samples", "top", 1)]) == up


@pytest.mark.parametrize(
    "text",
    [
        "import_module('isthmus.tools.export')",
        "importlib.import_module(name)",
        "__import__('json')",
        "sys.modules['isthmus.cli.options']",
        "subprocess.run([python, '-c', 'import isthmus.cli; print(1)'])",
        "exec('from isthmus.tools import export')",
        "import isthmus\nisthmus.tools.export.export_run(1)",
    ],
)
def test_imports_that_no_statement_shows_are_found(text: str) -> None:
    assert import_rules.hidden_imports("data.read", ast.parse(text))


def test_texts_that_import_nothing_are_left_alone() -> None:
    text = '"""Call isthmus.load."""\nfix = "isthmus train isthmus.csv"\nisthmus.load(fix)'
    assert import_rules.hidden_imports("data.read", ast.parse(text)) == []
    assert import_rules.all_hidden_imports() == []


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": {"e"}, "e": {"d"}}, [["b", "c"], ["d", "e"]]),
    ],
)
def test_circles_are_found(graph: dict[str, set[str]], found: list[list[str]]) -> None:
    assert sorted(import_rules.circles(graph)) == found


def test_every_folder_is_a_package() -> None:
    assert {path.parent for path in FILES.values()} == {path.parent for path in PACKAGE.rglob("__init__.py")}


def test_folders_are_worth_having() -> None:
    folders = {path.parent for path in FILES.values()} - {PACKAGE}
    small = {f for f in folders if len([*f.glob("*.py"), *(p for p in f.iterdir() if p.is_dir())]) - 1 < LEAST_FILES}
    assert small == set()


def test_tests_lie_where_what_they_test_lies() -> None:
    folders = {path.parent.relative_to(PACKAGE) for path in FILES.values()}
    tests = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    assert tests - folders == set()


def test_the_check_is_a_program_too() -> None:
    program = [sys.executable, str(ROOT / "tests" / "import_rules.py")]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("heavy", ["torch", "pydantic", "polars", "matplotlib", "numpy"])
def test_help_imports_nothing_heavy(heavy: str) -> None:
    """The modules that `isthmus --help` loads, through the top-level imports of all files of the package."""
    roots = foreign_roots("cli")
    assert heavy not in roots
    assert "typer" in roots  # otherwise nothing was followed


def test_no_file_is_longer_than_it_can_be_read() -> None:
    code = [path for folder in ("src", "tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in code}
    most = {path: MOST_LINES if path.startswith("src") else MOST_OF_TESTS for path in lengths}
    assert {path: n for path, n in lengths.items() if n > most[path]} == {}


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
