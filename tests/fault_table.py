"""Finds the tests for each row of docs/faults.md; as a program, writes the last column of that table.

python tests/fault_table.py
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
DOC = TESTS.parent / "docs" / "faults.md"
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| (.*?) ?\|$", flags=re.MULTILINE)
NUMBERS = re.compile(r"(?:^test|_and)_fault_((?:\d+_)+)")  # test_fault_60_61_…, test_fault_11_…_and_fault_12_…


def numbers_of(test: str) -> list[int]:
    """`"test_fault_60_61_a_damaged_checkpoint"` -> `[60, 61]`; an empty list for other tests."""
    return [int(n) for group in NUMBERS.findall(test) for n in group.strip("_").split("_")]


def by_fault() -> dict[int, list[tuple[str, str]]]:
    """Fault number -> (file, test) of every test with this number, sorted."""
    found: dict[int, list[tuple[str, str]]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for number in numbers_of(node.name):
                    found.setdefault(number, []).append((path.name, node.name))
    return {number: sorted(tests) for number, tests in found.items()}


def written(tests: list[tuple[str, str]]) -> str:
    """The last cell of a row: each file once, with its tests."""
    by_file: dict[str, list[str]] = {}
    for file, test in tests:
        by_file.setdefault(file, []).append(f"`{test}`")
    return "; ".join(f"{file}: {', '.join(names)}" for file, names in by_file.items())


def table() -> list[tuple[int, str, str, str]]:
    """(number, what is wrong, what isthmus does, tests) of every row of the document."""
    return [(int(n), wrong, done, tests) for n, wrong, done, tests in ROW.findall(DOC.read_text(encoding="utf-8"))]


def main() -> None:
    tests = by_fault()
    text = DOC.read_text(encoding="utf-8")
    DOC.write_text(
        ROW.sub(lambda m: f"| {m[1]} | {m[2]} | {m[3]} | {written(tests.get(int(m[1]), []))} |", text), "utf-8"
    )
    bare = [number for number, _, done, cell in table() if not cell and not done.startswith("not yet")]
    print(f"{DOC.name}: {sum(map(len, tests.values()))} tests; rows without one: {bare or 'none'}")


if __name__ == "__main__":
    main()
