"""`RunData`: everything that a report needs about one run; and `Section`: one section of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.config import Config
from isthmus.data.batching.split import held_apart
from isthmus.data.samples import Samples
from isthmus.evaluation.metrics.baselines import Rivals, fit_rivals
from isthmus.evaluation.metrics.forward_pass import Passed, pass_through
from isthmus.models.abstract_model import AbstractModel
from isthmus.training.prepared import Prepared
from isthmus.training.principal_components import EXACT_WORK, SIDE
from isthmus.wording import shell_word

LARGE = 2_000  # training samples for PCA if they are too large for a covariance matrix; more make no visible difference


@dataclass(frozen=True)
class CodeMoments:
    """Moments of the codes of all training samples: `mean` (Z,), `covariance` (Z, Z), `class_means` (K, Z).

    `movement` (Z,) is how much each unit changes the output, as in `isthmus traverse`; NaN if not measured.
    """

    mean: np.ndarray
    covariance: np.ndarray
    class_means: np.ndarray
    classes: tuple[str, ...]
    movement: np.ndarray | None = None


@dataclass(frozen=True)
class RunData:
    """A run: the content of its folder, and its data and model if they are available.

    `missing` are sentences about what is not available, and why; sections that need it are left out. Results that
    training just measured can be given; else they are measured when a section needs them.
    """

    path: Path
    metrics: Mapping[str, Any]
    history: list[dict[str, Any]]
    record: Mapping[str, Any]
    config: Config
    prepared: Prepared | None = None
    model: AbstractModel | None = None
    moments: CodeMoments | None = None
    missing: tuple[str, ...] = ()
    given_passed: Passed | None = None
    given_rivals: Rivals | None = None

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def is_image(self) -> bool:
        return len(self.metrics["data"]["shape"]) == 3

    @property
    def sample(self) -> str:
        """The word for one sample: "image", "row" or "window"."""
        return "window" if "series" in self.metrics["data"] else "image" if self.is_image else "row"

    @property
    def noise(self) -> str | None:
        """The noise of a denoiser, such as "gaussian:0.5"."""
        return None if self.config.model.noise == "none" else self.config.model.noise

    @cached_property
    def test(self) -> Samples | None:
        return self.prepared.splits.test if self.prepared is not None else None

    @cached_property
    def watched(self) -> Samples | None:
        """The validation samples whose cost chose the epoch, without those that only calibrate scores."""
        if self.prepared is None:
            return None
        training = self.record.get("settings", {}).get("training", {})  # older runs have no calibration samples
        share, config = training.get("calibration", 0), self.prepared.config
        validation = self.prepared.splits.validation
        return held_apart(validation, share, config.training.seed, rule=config.data.split)[0]

    @cached_property
    def passed(self) -> Passed | None:
        """The model's output for the test data, with the noise of training; None if data or model are missing."""
        if self.given_passed is not None:
            return self.given_passed
        if self.prepared is None or self.model is None or self.test is None:
            return None
        return pass_through(self.model, self.prepared.pairs(self.test), self.prepared.config.training.seed)

    @cached_property
    def rivals(self) -> Rivals | None:
        """The mean and the principal components of the training data; None if the data is missing."""
        if self.given_rivals is not None or self.prepared is None:
            return self.given_rivals
        size, z_size = self.prepared.preprocess.size, self.prepared.config.model.code_size
        most = int(EXACT_WORK / (2.0 * size**2)) if size <= SIDE else LARGE  # about a second
        return fit_rivals(self.prepared.x(self.prepared.splits.train, max(most, 2 * z_size)), self.n_components)

    @property
    def n_components(self) -> int:
        """The number of PCA components, from the metrics."""
        return self.metrics.get("baselines", {}).get("pca", {}).get("n_components") or 0

    @cached_property
    def errors(self) -> np.ndarray | None:
        """Mean squared error of each test sample, (N,)."""
        return None if self.passed is None else self.passed.errors.numpy()

    def command(self, words: str, rest: str) -> str | None:
        """A command for this run, such as `command("map", "-o map.png")`; None if commands cannot load the run."""
        return None if self.record.get("module") else f"isthmus {words} {shell_word(self.path)} {rest}"

    def class_of(self, row: int) -> str:
        """The class of a test sample, or "" without classes."""
        if self.test is None or self.test.labels is None or not self.test.classes:
            return ""
        label = int(self.test.labels[row])
        return self.test.classes[label] if label >= 0 else ""


@dataclass(frozen=True)
class Section:
    """A section: `read` explains it, `values` are for its `template`, and `script` is the data for script.js."""

    id: str
    title: str
    template: str
    read: str
    values: Mapping[str, Any] = field(default_factory=dict)
    script: Mapping[str, Any] = field(default_factory=dict)
