"""The data flow of a command: which modules of the package it enters, in order, and how often one calls another.

    python benchmarks/module_trace.py train photos/ --epochs 2 --out runs/traced
    python benchmarks/module_trace.py score runs/traced photos/ -o scores.csv

A module is entered when a function of it runs; importing it does not count.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import isthmus
from isthmus.__main__ import main as command

PACKAGE = str(Path(isthmus.__file__).parent)


class ModuleTrace:
    """Counts, for `sys.setprofile`, the calls that lead from one module of the package into another."""

    def __init__(self) -> None:
        self.entered: dict[str, int] = {}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_flags & inspect.CO_OPTIMIZED:  # bodies of modules and classes are not
            return
        name = code.co_filename
        if name.startswith(PACKAGE) and name.endswith(".py") and not self._importing(frame):
            self.entered[name] = self.entered.get(name, 0) + 1

    @staticmethod
    def _importing(frame: FrameType | None) -> bool:
        """Whether the call happened while a module was imported: a decorator, a default, a check of a field."""
        while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
            if frame.f_code.co_name == "<module>" and not frame.f_code.co_filename.endswith("__main__.py"):
                return True
            frame = frame.f_back
        return False

    def lines(self) -> list[str]:
        return [f"{Path(name).relative_to(PACKAGE)}  {calls:,}" for name, calls in self.entered.items()]


def main() -> None:
    trace = ModuleTrace()
    sys.argv = ["isthmus", *sys.argv[1:]]
    sys.setprofile(trace)
    try:
        command()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.setprofile(None)
    print(f"\n{len(trace.entered)} modules entered, in this order, with the number of calls:")
    print("\n".join(trace.lines()))


if __name__ == "__main__":
    main()
