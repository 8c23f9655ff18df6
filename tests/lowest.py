"""Prints the lower bounds in pyproject.toml as pins for pip, for `make test-lowest`.

    python tests/lowest.py > pins.txt

Without PyTorch: its exact version is in constraints.txt, because the same seed must give the same weights.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOUND = re.compile(r"(?P<name>[\w.-]+)>=(?P<bound>[\w.]+)(,<[\w.]+)?")


def pins(pyproject: Path = ROOT / "pyproject.toml") -> Iterator[str]:
    """`name==bound` for every dependency, including those of the extras.

    Raises: ValueError for a dependency without a lower bound.
    """
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    for text in [*project["dependencies"], *(text for extra in extras for text in extra)]:
        if text.startswith(f"{project['name']}["):  # an extra that combines others
            continue
        found = BOUND.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} in pyproject.toml has no lower bound that can be read")
        if found["name"] != "torch":
            yield f"{found['name']}=={found['bound']}"


if __name__ == "__main__":
    print("\n".join(pins()))
