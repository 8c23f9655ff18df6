"""All imports of the package are declared, and none of them can run code from a file."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from lowest import pins

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "src" / "isthmus").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TYPER_BRINGS = {"rich"}  # typer depends on it, and its progress bars are ours

NOT_INSTALLED = {"umap": ["umap-learn"]}  # an extra that installs a compiler; no test needs it
NOT_INSTALLED["datasets"] = ["datasets"]  # 214 MB with Arrow; without it, its tests are skipped
OWNERS = NOT_INSTALLED | dict(importlib.metadata.packages_distributions())

RIVALS = {"lightning", "keras", "skorch", "pythae"}  # measured by `isthmus bench` if it exists; nothing installs it
GIVEN = {"pandas"}  # a user who passed its frames has it; others get those of polars
UNSAFE_NAMES = {"eval", "exec", "compile", "__import__"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
UNSAFE_CALLS = {"torch.load", "torch.save", "torch.hub.load", "pl.read_ipc", "os.system", "yaml.load"}


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text("utf-8")))


def imported(path: Path) -> set[str]:
    """The top-level names of all modules that a file imports anywhere."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def distributions(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s<>=!~\[;]", text, maxsplit=1)[0].lower() for text in requirements}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT / "src").as_posix())
def test_every_import_is_declared(path: Path) -> None:
    extras = PROJECT["optional-dependencies"]
    optional = [text for name, texts in extras.items() if name != "dev" for text in texts]
    declared = distributions(PROJECT["dependencies"]) | distributions(optional) | TYPER_BRINGS
    foreign = imported(path) - set(sys.stdlib_module_names) - {"isthmus", "__future__", "IPython"} - RIVALS - GIVEN
    for name in foreign:  # jcopdl imports seaborn, which nothing installs
        assert {owner.lower() for owner in OWNERS[name]} & declared, f"{name} is not declared"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT / "src").as_posix())
def test_fault_62_nothing_opens_a_pickle_or_runs_text(path: Path) -> None:
    assert not imported(path) & UNSAFE_MODULES
    for node in nodes(path):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in UNSAFE_NAMES | UNSAFE_CALLS, f"line {node.lineno}: {called}"
            unsafe = [k for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"]
            assert not unsafe, f"line {node.lineno}: allow_pickle"
            assert called != "np.load" or any(k.arg == "allow_pickle" for k in node.keywords), f"line {node.lineno}"


def test_import_module_only_looks_up_our_own_names() -> None:
    uses = [
        (path.name, ast.unparse(n))
        for path in FILES
        for n in nodes(path)
        if isinstance(n, ast.Call) and "import_module" in ast.unparse(n.func)
    ]
    assert uses == [("__init__.py", "import_module(f'isthmus.{_HOMES[name]}')")]


def test_the_pins_are_the_declared_bounds(tmp_path: Path) -> None:
    (path := tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "isthmus"\ndependencies = ["torch>=2.13,<2.14", "numpy>=2.0"]\n'
        '[project.optional-dependencies]\nweb = ["uvicorn>=0.32"]\ndev = ["isthmus[web]", "pytest-xdist>=3.6.1,<4"]\n'
    )
    assert list(pins(path)) == ["numpy==2.0", "uvicorn==0.32", "pytest-xdist==3.6.1"]  # torch is pinned elsewhere
    path.write_text(path.read_text().replace("uvicorn>=0.32", "uvicorn"))
    with pytest.raises(ValueError, match=r"'uvicorn' in pyproject\.toml has no lower bound"):
        list(pins(path))


def test_what_the_tests_install_is_no_older_than_declared() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").lower().splitlines()
    fixed = dict(line.split("==") for line in lines if "==" in line)
    bounds = dict(pin.lower().split("==") for pin in pins())
    assert bounds.keys() - fixed.keys() == {"umap-learn"}
    older = {name for name in bounds.keys() & fixed.keys() if Version(fixed[name]) < Version(bounds[name])}
    assert older == set()
