"""What a run keeps about its data so that a new data set can be compared: levels of images, sizes of columns."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.split import held_apart
from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError
from isthmus.models.abstract_model import AbstractModel
from isthmus.randomness import generator_for
from isthmus.runs.artifacts import Artifact, Artifacts
from isthmus.runs.error_signals import ErrorSignals, error_signals
from isthmus.training.prepared import Prepared

PART = "set"
MOST = 1_000  # samples used: enough to know a share of one half to 1.6 %, in a fraction of a second
MOST_ROWS = 10_000  # training rows used for the columns: enough to know their quantiles to half a percent
MOST_VALUES = 2**25  # fewer samples are used if they are large: 128 MB of float32
# Quantiles of the pixels of an image that count as black and white. Not 0 and 1, which one dead pixel would decide.
DARK, LIGHT = 0.01, 0.99
SIZES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the absolute values of a column


class SetFacts(NamedTuple):
    """For validation images: `dark` and `light` (n,), between which 98 % of the pixels lie, as network input.

    For the training rows of a table: quantiles `sizes` (5, D) of the absolute values of each column, its `mean` and
    `deviation` (D,), in raw units; `n_rows` is their number. For a denoiser, results of noisy validation samples:
    `watched`, the log errors of the half that chose the best epoch, and `noisy`, the signals of the half that chose
    nothing; both None for other models.
    """

    dark: np.ndarray
    light: np.ndarray
    sizes: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    n_rows: int
    watched: np.ndarray | None = None
    noisy: ErrorSignals | None = None


def keep_set_facts(run_path: str | Path, prepared: Prepared, model: AbstractModel) -> None:
    """Writes RUN/latent/set/ for a newly trained run."""
    splits, training = prepared.splits, prepared.config.training
    image = prepared.preprocess.is_image
    validation = splits.validation
    dark, light = levels(as_input(validation.x, model.preprocess)) if image and len(validation) else (np.zeros(0),) * 2
    arrays = {"dark": dark, "light": light} | ({} if image else _columns(splits.train))
    if model.config.noise != "none":
        watched, held = held_apart(validation, training.calibration, training.seed)
        generator = generator_for(training.seed, "validation", "set", device=model.device)
        for name, part in (("watched", watched), ("held", held)):
            found = error_signals(model, as_input(part.both, model.preprocess), generator)
            arrays[f"{name}_log_error"] = found.log_error
            if found.z is not None:
                arrays[f"{name}_z"] = found.z
    Artifacts(run_path).put(PART, {"n_rows": min(len(splits.train), MOST_ROWS)}, arrays)


def set_facts(run_path: str | Path) -> SetFacts | None:
    """What the run keeps; None for older runs. Raises: ModelFileError if it is damaged."""
    kept = Artifacts(run_path)
    if not kept.has(PART):
        return None
    part = kept.get(PART)
    try:
        return _from_part(part)
    except (KeyError, TypeError, ValueError) as error:
        message = f"latent/{PART} in {run_path} cannot be used: {error}."
        raise ModelFileError("LATENT-FILE", message, fix=kept.remedy(PART)) from None


def _from_part(part: Artifact) -> SetFacts:
    arrays, none = part.arrays, np.zeros(0)
    sizes, mean, deviation = (arrays.get(name, none) for name in ("sizes", "mean", "deviation"))
    watched = arrays.get("watched_log_error")
    noisy = None if watched is None else ErrorSignals(arrays["held_log_error"], arrays.get("held_z"))
    n_rows = int(part.about["n_rows"])
    return SetFacts(arrays["dark"], arrays["light"], sizes, mean, deviation, n_rows, watched, noisy)


def spread(n: int, most: int) -> np.ndarray:
    """At most `most` of n row numbers, evenly spaced, ascending."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(np.int64)


def as_input(raw: np.ndarray, preprocess: Preprocess) -> Tensor:
    """Network input (n, *shape) of at most 1,000 raw samples, evenly spaced; fewer if a sample has many values."""
    rows = spread(len(raw), min(MOST, max(1, MOST_VALUES // preprocess.size)))
    return preprocess.to_x(torch.from_numpy(np.array(raw[rows])))


def levels(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(dark, light), both (n,): the 1st and the 99th percentile of the pixel values of images x (n, C, H, W)."""
    pixels = np.sort(x.flatten(1).numpy(), axis=1)
    last = pixels.shape[1] - 1
    return pixels[:, round(DARK * last)], pixels[:, round(LIGHT * last)]


def column_sizes(rows: np.ndarray) -> np.ndarray:
    """Quantiles (5, D) of the absolute values of columns (N, D), in float64; NaN for a column without any value."""
    there = np.abs(np.asarray(rows, np.float64))
    empty = np.isnan(there).all(0)
    there[:, empty] = 0.0
    found = np.nanquantile(there, SIZES, axis=0)
    found[:, empty] = np.nan
    return found


def _columns(train: Samples) -> dict[str, np.ndarray]:
    rows = np.asarray(train.x[spread(len(train), MOST_ROWS)], np.float64)
    there = ~np.isnan(rows)
    n = np.maximum(there.sum(0), 1)
    mean = np.where(there, rows, 0.0).sum(0) / n
    deviation = np.sqrt(np.square(np.where(there, rows - mean, 0.0)).sum(0) / n)
    return {"sizes": column_sizes(rows), "mean": mean, "deviation": deviation}


__all__ = ["SetFacts", "keep_set_facts", "set_facts"]
