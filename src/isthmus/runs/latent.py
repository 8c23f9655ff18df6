"""`Latent`: what a run stores about the codes of its training data, so that its tools work without the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from isthmus.data.batching.batches import CHUNK
from isthmus.data.labels import evenly
from isthmus.errors import ModelFileError, UsageError
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.autoencoder import Model, coded
from isthmus.randomness import generator_for
from isthmus.runs.artifacts import Artifacts
from isthmus.training.prepared import Prepared

PART = "codes"
MOST_CODES = 10_000  # codes kept: 1.3 MB at 32 numbers; finding a nearest neighbor among them takes milliseconds
MOST_NUMBERS = 2_048  # the covariance of a longer code would take hundreds of MB


@dataclass(frozen=True)
class Latent:
    """Moments of all training codes, and at most 10,000 of the codes themselves, balanced over the classes.

    `mean`, `std` (Z,) and `covariance` (Z, Z) are float64 and computed from all `n` samples; so are `class_means`
    (K, Z; NaN for a class without samples), `class_counts` (K,) and `class_covariance` (Z, Z), pooled within the
    classes. `codes` (M, Z) float32 belong to the training samples `rows` (M,), named `ids`; `labels` (M,) are indices
    into `classes`, -1 for none. If the data has no labels, `labels` and `class_covariance` are None and K is 0.
    `groups` (M,) are equal for samples that belong together; None if there are no groups.
    """

    n: int
    mean: np.ndarray
    covariance: np.ndarray
    codes: np.ndarray
    rows: np.ndarray
    ids: tuple[str, ...]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    class_means: np.ndarray
    class_covariance: np.ndarray | None
    class_counts: np.ndarray
    groups: np.ndarray | None = None

    @property
    def z_size(self) -> int:
        return len(self.mean)

    @property
    def std(self) -> np.ndarray:
        return np.sqrt(np.diag(self.covariance))

    @classmethod
    def build(cls, prepared: Prepared, model: Model) -> Latent:
        """Computed from the training data with the deterministic `model.encode`.

        Raises: UsageError if the model has no code, or a code of more than 2,048 numbers.
        """
        refuse_without_code(model)
        train = prepared.splits.train
        labeled = train.labels if train.classes else None
        kept = spread_rows(len(train), labeled, prepared.config.training.seed)
        moments = Moments(model.z_size, len(train.classes))
        chosen = np.zeros(len(train), dtype=bool)
        chosen[kept] = True
        codes = []
        for start in range(0, len(train), CHUNK):
            part = slice(start, start + CHUNK)
            z = model.encode(np.asarray(train.x[part]))
            moments.add(z, None if labeled is None else labeled[part])
            codes.append(z[chosen[part]])
        return cls(
            n=len(train),
            mean=moments.mean,
            covariance=moments.covariance,
            codes=np.concatenate(codes),
            rows=kept,
            ids=tuple(train.id_of(int(row)) for row in kept),
            labels=None if labeled is None else labeled[kept],
            classes=train.classes,
            class_means=moments.class_means,
            class_covariance=None if labeled is None else moments.class_covariance,
            class_counts=moments.class_counts,
            groups=None if train.groups is None else train.groups[kept],
        )

    def write(self, run_path: str | Path, weights: str | None = None) -> Path:
        """Writes RUN/latent/codes/, next to the parts of other tools; `weights` as for `Artifacts`."""
        about = {"n": self.n, "ids": self.ids, "classes": self.classes}
        arrays = {name: getattr(self, name) for name in self._shapes()}
        return Artifacts(run_path, weights).put(
            PART, about, {name: value for name, value in arrays.items() if value is not None}
        )

    @staticmethod
    def is_kept(run_path: str | Path, weights: str | None = None) -> bool:
        """Whether the run has stored codes made with these weights (as for `Artifacts`)."""
        return Artifacts(run_path, weights).has(PART)

    @classmethod
    def load(cls, run_path: str | Path, weights: str | None = None) -> Latent:
        """What `write` wrote. Raises: ModelFileError if it is missing, damaged or from other weights."""
        kept = Artifacts(run_path, weights)
        about, arrays = kept.get(PART)
        try:
            classes, ids = tuple(map(str, about["classes"])), tuple(map(str, about["ids"]))
            optional = {name: arrays.pop(name, None) for name in ("labels", "class_covariance", "groups")}
            latent = cls(n=int(about["n"]), ids=ids, classes=classes, **optional, **arrays)
            for name, shape in latent._shapes().items():
                value = getattr(latent, name)
                if value is not None and value.shape != shape:
                    raise ValueError(f"{name} has the shape {value.shape} instead of {shape}")
            return latent
        except (KeyError, TypeError, ValueError) as error:
            message = f"{run_path}/latent/{PART} cannot be used: {error}."
            raise ModelFileError("LATENT-FILE", message, fix=kept.remedy(PART)) from None

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        Z, K, M = len(self.mean), len(self.classes), len(self.ids)
        moments = {"mean": (Z,), "covariance": (Z, Z), "class_means": (K, Z), "class_counts": (K,)}
        return moments | {"class_covariance": (Z, Z), "codes": (M, Z), "rows": (M,), "labels": (M,), "groups": (M,)}


def keep_latent(run_path: str | Path, prepared: Prepared, model: AbstractModel) -> Latent | None:
    """Builds and writes the `Latent` of a newly trained run; None for a model without one."""
    if not model.has_code or model.z_size > MOST_NUMBERS:
        return None
    latent = Latent.build(prepared, coded(model))
    latent.write(run_path, model.weights_sha256 or "")
    return latent


def refuse_without_code(model: AbstractModel) -> None:
    """Raises: UsageError if tools that need codes cannot work on this model; it says why."""
    model = coded(model)
    if not model.has_code:
        message = f"{type(model.own).__name__} has only a forward method, so there is no code for this tool to use."
        raise UsageError("USAGE-CODE", message, fix="give the module encode and decode methods, and train it again")
    if model.z_size > MOST_NUMBERS:
        message = f"a code of {model.z_size:,} numbers is too long for this tool; it takes at most {MOST_NUMBERS:,}."
        raise UsageError("USAGE-CODE", message, fix="train with a smaller --z-size")


def spread_rows(n: int, labels: np.ndarray | None, seed: int, most: int = MOST_CODES) -> np.ndarray:
    """At most `most` of n row numbers, drawn evenly from the classes, in ascending order."""
    order = torch.randperm(n, generator=generator_for(seed, "latent")).numpy()
    return np.sort(evenly(order, labels, most))


class Moments:
    """Counts, means and covariances of codes that arrive in chunks, overall and by class, in float64."""

    def __init__(self, z_size: int, n_classes: int) -> None:
        self.n, self.origin = 0, np.zeros(z_size)
        self.total, self.squares = np.zeros(z_size), np.zeros((z_size, z_size))
        self.class_counts, self.totals = np.zeros(n_classes, np.int64), np.zeros((n_classes, z_size))
        self.labeled = np.zeros((z_size, z_size))

    def add(self, z: np.ndarray, labels: np.ndarray | None) -> None:
        z = z.astype(np.float64)
        if self.n == 0:
            self.origin = z.mean(0)  # sums of squares far from zero lose precision
        z = z - self.origin
        self.n += len(z)
        self.total += z.sum(0)
        self.squares += z.T @ z
        if labels is not None:
            z, labels = z[labels >= 0], labels[labels >= 0]
            self.class_counts += np.bincount(labels, minlength=len(self.class_counts))
            np.add.at(self.totals, labels, z)
            self.labeled += z.T @ z

    @property
    def mean(self) -> np.ndarray:
        return self.total / self.n + self.origin

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of all codes, divided by n - 1."""
        return (self.squares - np.outer(self.total, self.total) / self.n) / max(self.n - 1, 1)

    @property
    def class_means(self) -> np.ndarray:
        counts = np.where(self.class_counts > 0, self.class_counts, np.nan)
        return self.totals / counts[:, None] + self.origin

    @property
    def class_covariance(self) -> np.ndarray:
        """Pooled within the classes, divided by n minus the number of classes that have samples."""
        there = self.class_counts > 0
        between = (self.totals[there] / self.class_counts[there, None]).T @ self.totals[there]
        freedom = self.class_counts.sum() - np.count_nonzero(there)
        return (self.labeled - between) / max(freedom, 1)


__all__ = ["Latent", "keep_latent", "refuse_without_code", "spread_rows"]
