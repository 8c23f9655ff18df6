"""Several runs on one page: their numbers, the settings that differ, their curves, and the same images row by row."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.report.material import Material
from isthmus.report.sections import Report, compose


def compare(found: Sequence[Material]) -> Report:
    """The page of several runs."""
    return compose(found[0])
