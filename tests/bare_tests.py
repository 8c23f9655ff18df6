"""Finds test functions that check nothing, such as one that computes an equality but does not assert it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

CHECKS = {"raises", "warns"}  # functions of pytest; helpers that check are named assert_…


@cache
def bare_tests(path: Path) -> frozenset[str]:
    """The names of the test functions in a file that neither assert nor call something that does."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(f.name for f in functions if f.name.startswith("test_") and not checks(f))


def checks(function: ast.AST) -> bool:
    """Whether it contains `assert`, `pytest.raises`, `pytest.warns` or a call of `assert_…`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in CHECKS or name.startswith("assert_"):
                return True
    return False
