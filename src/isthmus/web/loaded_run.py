"""`LoadedRun`: a run opened for the page, with everything that its panels need, created on first use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from starlette.exceptions import HTTPException

from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.images.saving import COLORS
from isthmus.data.samples import Samples
from isthmus.errors import DataError, IsthmusError
from isthmus.evaluation.figures.data_pictures import as_pictures, drawn_between
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.autoencoder import Model, coded
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import Latent, refuse_without_code
from isthmus.tools.anomaly.detector import Detector
from isthmus.tools.editing.directions import known_names, refuse_editing
from isthmus.tools.editing.edits import Edit, edit_of
from isthmus.tools.sampling.interpolation import refuse_discrete
from isthmus.tools.sampling.traversal import movements, usual_code

EDITS = 64  # cached edits: using all controls of a page needs fewer
RANGE = (0.005, 0.995)  # quantiles at the ends of a slider: the decoder was not trained beyond them
REACH = 3.0  # standard deviations from the mean for the small pictures next to a slider, as in the report
DARK = 0.5  # a border with a lower median is dark


class LoadedRun:
    """A trained run. Slow results are computed once, under one lock; running samples through the model needs none."""

    def __init__(self, run: RunFolder) -> None:
        self.run, self._lock = run, threading.RLock()
        self.model: AbstractModel = run.model
        self.edit: Callable[..., Edit] = lru_cache(EDITS)(self._edit)
        self.charts: dict[str, dict[str, Any]] = {}

    @property
    def coder(self) -> Model:
        """The model, if it has a code. Raises: UsageError for a denoiser without a code."""
        return coded(self.model)

    @cached_property
    def latent(self) -> Latent:
        with self._lock:
            return self.run.latent

    @cached_property
    def test(self) -> Samples:
        """The run's test samples. Raises: DataError if its data can no longer be read."""
        with self._lock:
            return self.run.prepared.splits.test

    @cached_property
    def dark_border(self) -> bool:
        """Whether the model's pictures are light on dark, like MNIST's, judging by decoded training codes."""
        if not self.model.preprocess.is_image or self.model.preprocess.shape[0] != 1 or not self.model.has_code:
            return False  # a denoiser takes photographs, which may have bright borders
        try:
            x = self.coder.decode(self.latent.codes[:64])
        except IsthmusError:
            return True
        x = self.pictures(x)
        edges = np.concatenate([x[:, :, 0].ravel(), x[:, :, -1].ravel(), x[..., 0].ravel(), x[..., -1].ravel()])
        return float(np.median(edges)) / np.iinfo(x.dtype).max < DARK

    @property
    def fits_png(self) -> bool:
        """Whether a PNG stores a sample exactly; else samples are exchanged as numbers, and pictures only show them."""
        preprocess = self.model.preprocess
        return preprocess.is_image and preprocess.dtype == "uint8" and preprocess.shape[0] - preprocess.alpha in {1, 3}

    @cached_property
    def failed(self) -> bool:
        """Whether a verdict of the run failed."""
        return any(verdict.get("level") == "fail" for verdict in self.run.metrics.get("verdicts", []))

    @cached_property
    def detector(self) -> Any:
        """The anomaly detector. Raises: DataError if it needs the run's data and cannot read it."""
        with self._lock:
            return Detector.of_run(self.run)

    @cached_property
    def units(self) -> list[dict[str, Any]]:
        """The units of the code, those that change the output most first, each with the range of its slider."""
        with self._lock:
            latent, numbers = self.latent, np.arange(self.latent.z_size)
            moved = movements(self.coder, latent, numbers)
            low, high = np.quantile(latent.codes, RANGE, axis=0)
            ends = latent.mean + np.array([[-REACH], [REACH]]) * latent.std
            ends = ends if self.coder.bottleneck.signed else ends.clip(0, 1)
            return [
                {
                    "unit": int(u),
                    "movement": float(moved[u]),
                    "low": float(low[u]),
                    "high": float(max(high[u], low[u] + 1e-6)),
                    "usual": float(latent.mean[u]),
                    "ends": ends[:, u].tolist(),
                }
                for u in np.argsort(-moved, kind="stable")
            ]

    def raw(self, x: Any) -> np.ndarray:
        """Given numbers as raw samples (N, *shape) in the type of the training data. Raises: DataError."""
        try:
            array = np.asarray(x)
        except ValueError:
            message = "x is ragged, or its lists are nested too deeply."
            raise DataError("DATA-SHAPE", message, fix="send samples that all have the same shape") from None
        dtype = self.model.preprocess.dtype
        if dtype == "uint8" and array.dtype.kind == "i":
            array = array.astype(np.int64)
        if dtype == "uint16" and array.dtype.kind == "i" and not ((array < 0) | (array > 65_535)).any():
            array = array.astype(np.uint16)  # lists have no type, so that they may look like bytes
        return Carrier(array, self.model.preprocess).raw.numpy()

    def as_raw(self, x: np.ndarray) -> np.ndarray:
        """Converts floats in [0, 1], from black to white, to values of the training data."""
        if self.model.preprocess.ends is not None:
            return self.model.preprocess.as_kept(self.model.preprocess.to_raw(torch.from_numpy(np.array(x))).numpy())
        dtype = np.dtype(self.model.preprocess.dtype)
        return (x * np.iinfo(dtype).max).round().astype(dtype) if dtype.kind == "u" else x.astype(np.float32)

    def pictures(self, raw: np.ndarray) -> np.ndarray:
        """Raw images (N, C, H, W) as pictures, black and white as in training: bytes, or uint16 scaled by its type.

        Transparency stays the last channel; bands that are neither gray nor color are averaged.
        """
        preprocess = self.model.preprocess
        shown = raw if raw.dtype.kind == "u" and preprocess.offset is None else self._drawn(raw)
        if raw.shape[1] - preprocess.alpha not in COLORS:
            return shown.mean(1, keepdims=True).round().astype(shown.dtype)
        return shown

    def _drawn(self, raw: np.ndarray) -> np.ndarray:
        return (255 * as_pictures(self.x(raw), of=replace(self.model.preprocess, alpha=False))).round().astype(np.uint8)

    def in_range(self, picture: np.ndarray) -> np.ndarray:
        """A picture (C, h, w) that was sent: bytes stay as they are; other numbers are values like the training data
        and are scaled to [0, 1] by the range of the training data, and clipped."""
        ends = self.model.preprocess.ends
        return picture if ends is None or picture.dtype == np.uint8 else drawn_between(picture, ends)

    def x(self, raw: np.ndarray) -> torch.Tensor:
        """Network input of raw samples."""
        return self.model.preprocess.to_x(torch.from_numpy(np.array(raw)))

    def codes(self, z: Any) -> np.ndarray:
        """Codes (N, z_size) float32. Raises: DataError for another size."""
        try:
            with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is refused below
                codes = np.asarray(z, np.float32)
        except ValueError:
            codes = np.zeros((0, 0), np.float32)
        fits = codes.ndim == 2 and codes.shape[1] == self.model.z_size
        if not fits or not np.isfinite(codes).all():
            given = "has numbers beyond 3.4e38" if fits else f"has the shape {codes.shape}"
            message = f"z {given}; the model takes finite numbers of shape (N, {self.model.z_size})."
            raise DataError("DATA-CODES", message, fix="send codes from /api/encode")
        return codes

    def errors(self, raw: np.ndarray, raw_hat: np.ndarray) -> np.ndarray:
        """(N,) squared error per value on the scale of x."""
        x = self.x(raw)
        return (self.model.preprocess.known_only(x, self.x(raw_hat)) - x).flatten(1).square().mean(1).double().numpy()

    def picked(self, row: int | None, seed: int) -> tuple[np.ndarray, str, str | None]:
        """A test sample (1, *shape), its id and class; without the data, a decoded training code.

        Raises: HTTPException 404 for a row out of range; DataError if there is neither data nor code.
        """
        rng = np.random.default_rng(seed)
        try:
            test = self.test
            row = int(rng.integers(len(test))) if row is None else place(row, len(test), "test sample")
            label = None if test.labels is None or test.labels[row] < 0 else test.classes[test.labels[row]]
            return np.asarray(test.x[row : row + 1]), test.id_of(row), label
        except IsthmusError:
            if not self.model.has_code:
                raise
            latent = self.latent
            row = int(rng.integers(len(latent.codes))) if row is None else place(row, len(latent.codes), "code")
            return self.coder.decode(latent.codes[row : row + 1]), latent.ids[row], None

    @property
    def usual(self) -> np.ndarray:
        """The code (Z,) that the page starts from without a sample."""
        return usual_code(self.latent)

    def reasons(self) -> dict[str, str | None]:
        """For each panel, why it cannot work with this model, or None if it can."""
        model, image = self.model, self.model.preprocess.is_image
        checks: dict[str, Callable[[], Any]] = {
            "code": lambda: (refuse_without_code(model), self.latent),
            "features": lambda: (refuse_editing(self.run), self.latent),
            "walk": lambda: (refuse_without_code(model), refuse_discrete(self.coder, "interpolation")),
            "samples": lambda: (refuse_without_code(model), self.latent),
            "score": lambda: self.detector,
            "map": lambda: (refuse_without_code(model), self.latent),
        }
        reasons = {panel: _reason(check) for panel, check in checks.items()}
        reasons["draw"] = None if image else "This model was trained on rows of a table, so there is nothing to draw."
        clean = model.config.noise == "none"
        reasons["denoise"] = (
            "This model was trained without noise, so it cannot remove any. Train a denoiser with "
            "`isthmus train DATA --noise gaussian:0.5`."
            if clean
            else None
        )
        return reasons

    @property
    def classes(self) -> list[str]:
        """The classes with at least two codes: one code is not enough for a feature or a density."""
        labels, names = self.latent.labels, self.latent.classes
        if labels is None:
            return list(names)
        counts = np.bincount(labels[labels >= 0], minlength=len(names))
        return [name for name, n in zip(names, counts, strict=True) if n > 1]

    def feature_names(self) -> list[str]:
        """The features that can be added and removed."""
        alone = set(self.latent.classes) - set(self.classes)
        return [name for name in known_names(self.run) if name not in alone]

    def _edit(self, add: tuple[str, ...], remove: tuple[str, ...], keep: tuple[str, ...] = ()) -> Edit:
        with self._lock:
            return edit_of(self.run, add, remove, keep)


def place(row: int, n: int, what: str) -> int:
    """`row`, if it is one of n rows. Raises: HTTPException 404."""
    if not 0 <= row < n:
        raise HTTPException(404, f"there is no {what} {row}; there are {n:,}, numbered from 0.")
    return row


def _reason(check: Callable[[], Any]) -> str | None:
    try:
        check()
    except IsthmusError as error:
        fix = f" {error.fix[0].upper()}{error.fix[1:]}." if error.fix else ""
        return f"{error.message[0].upper()}{error.message[1:]}{fix}"
    return None


__all__ = ["LoadedRun", "place"]
