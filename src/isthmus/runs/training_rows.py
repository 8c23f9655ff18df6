"""Hashes of the training samples of a run, so that scoring recognizes them without reading the data again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from isthmus.data.hashing import is_among
from isthmus.data.images.pixels import FULL
from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError
from isthmus.runs.artifacts import Artifacts

ROUNDED = 0.05  # of a step: the rounding error of single precision or six decimals in a 16-bit or 8-bit value
PART = "training_rows"


class TrainingRows(NamedTuple):
    """`numbers` (N,) uint64, the hashes of the training samples, and the `shape` and `dtype` of a sample."""

    numbers: np.ndarray
    shape: tuple[int, ...]
    dtype: np.dtype

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Whether each raw sample of x (M, *shape) was trained on, (M,) bool."""
        if x.shape[1:] != self.shape:
            return np.zeros(len(x), bool)
        same, exact = _in_type(x, self.dtype) if len(self.shape) == 3 else (x, np.ones(len(x), bool))
        return is_among(same, self.numbers, self.dtype) & exact


def _in_type(x: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Images (M, C, H, W) converted to another dtype, and whether each is exact in it, (M,) bool.

    White is 255, 65,535, or 1 in floats, so the same picture can be stored in any of these types.
    """
    full, wanted = (FULL.get(str(kind), 1) for kind in (x.dtype, dtype))
    if full == wanted:
        return x, np.ones(len(x), bool)
    values = np.nan_to_num(x.astype(np.float64) * (wanted / full), nan=-1.0, posinf=-1.0, neginf=-1.0)  # not a pixel
    if dtype.kind == "f":
        return values.astype(dtype), np.ones(len(x), bool)
    whole = values.round()
    off = np.abs(values - whole).reshape(len(x), -1).max(1, initial=0)
    inside = ((whole >= 0) & (whole <= wanted)).reshape(len(x), -1).all(1)
    return whole.clip(0, wanted).astype(dtype), (off <= ROUNDED) & inside


def keep_training_rows(run_path: str | Path, train: Samples) -> None:
    """Writes RUN/latent/training_rows/ for a newly trained run: 8 bytes per sample."""
    about = {"shape": list(train.shape), "dtype": train.x.dtype.str}
    # This does not depend on the weights: a run never changes its data.
    Artifacts(run_path).put(PART, about, {"numbers": train.numbers.view(np.int64)})


def training_rows(run_path: str | Path) -> TrainingRows | None:
    """The hashes saved with the run; None for older runs.

    Raises: ModelFileError if they are damaged.
    """
    kept = Artifacts(run_path)
    if not kept.has(PART):
        return None
    about, arrays = kept.get(PART)
    try:
        shape = tuple(int(side) for side in about["shape"])
        return TrainingRows(arrays["numbers"].view(np.uint64), shape, np.dtype(about["dtype"]))
    except (KeyError, TypeError, ValueError) as error:
        message = f"latent/{PART} in {run_path} cannot be used: {error}."
        raise ModelFileError("LATENT-FILE", message, fix=kept.remedy(PART)) from None


__all__ = ["TrainingRows", "keep_training_rows", "training_rows"]
