"""Shared by the tools that create samples: the report on what was written, and the check of the file format."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data.tables.writing import about_formulas
from isthmus.errors import UsageError
from isthmus.evaluation.figures.data_pictures import as_pictures
from isthmus.runs.folder import RunFolder
from isthmus.wording import counted


@dataclass(frozen=True)
class Made:
    """What was written: the number of samples, notes for people, values for scripts, and the files in a folder."""

    out: Path
    n: int
    said: tuple[str, ...]
    about: Mapping[str, Any]
    files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        files = {"files": list(self.files)} if self.files else {}
        return {"out": str(self.out), "n": self.n, "said": list(self.said), **files, **self.about}

    @property
    def listing(self) -> str:
        """The files in words: `strip.png, straight.webp, frames/ (24 files)`; empty if there is only one."""
        folders = Counter(name.partition("/")[0] for name in self.files if "/" in name)
        single = [name for name in self.files if "/" not in name]
        return ", ".join([*single, *(f"{name}/ ({counted(n, 'file')})" for name, n in folders.items())])


def visible(run: RunFolder, raw: np.ndarray) -> np.ndarray:
    """Raw images as floats in [0, 1], for drawing."""
    known = run.model.preprocess
    return as_pictures(known.to_x(torch.from_numpy(np.array(raw))), of=known)


def _columns(run: RunFolder) -> tuple[str, ...]:
    preprocess = run.model.preprocess
    return preprocess.columns or tuple(f"{preprocess.unit}{i}" for i in range(math.prod(preprocess.raw_shape)))


def about_columns(run: RunFolder, out: Path) -> tuple[str, ...]:
    """Notes on the names of the run's columns that `write_table` changes."""
    return about_formulas(out, {name: np.empty(0) for name in _columns(run)})


def refuse_suffix(run: RunFolder, out: Path, known: set[str]) -> None:
    """Raises: UsageError if `out` has a format that cannot hold the result."""
    drawn = {"", ".png", ".webp"}
    allowed = known | {""} if run.model.preprocess.is_image else known - drawn
    if out.suffix.lower() not in allowed:
        *others, last = [*sorted(allowed - {""}), *(["a folder"] if "" in allowed else [])]
        forms = f"{', '.join(others)} or {last}"
        message = f"the result cannot be written to {out}, only as {forms}."
        if out.suffix.lower() in drawn and not run.model.preprocess.is_image:
            message = f"{out} would hold pictures, but this run is on rows of a table."
        raise UsageError("USAGE-OUT", message, fix=f"name one of {forms} with -o")


__all__ = ["Made", "about_columns", "refuse_suffix", "visible"]
