"""Finds samples that already have the wanted features, by their labels or cells; they are left unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from isthmus.data.samples import Samples
from isthmus.tools.editing.features import Feature
from isthmus.tools.editing.levels import ColumnLevel
from isthmus.wording import counted


def have_already(
    samples: Samples, parts: Sequence[tuple[float, Feature]], levels: Mapping[str, ColumnLevel]
) -> np.ndarray:
    """(N,) bool: samples that have every added feature and no removed one. Never true for numbers, which can always
    grow, or for samples without labels, whose class is unknown."""
    masks = [_has(samples, sign, feature, levels) for sign, feature in parts]
    return np.logical_and.reduce(masks) if masks else np.zeros(len(samples), bool)


def _has(samples: Samples, sign: float, feature: Feature, levels: Mapping[str, ColumnLevel]) -> np.ndarray:
    level = levels.get(str(feature.evidence.get("level")))
    if level is not None:
        there = level.rows(samples.x)
        return there if sign > 0 else ~there & ~np.isnan(samples.x[:, level.at])
    if feature.kind != "classes" or samples.labels is None or sign < 0:
        return np.zeros(len(samples), bool)
    if feature.name in samples.classes:
        return samples.labels == samples.classes.index(feature.name)
    away = feature.name.removeprefix("no ")  # the name that `directions.of_classes` gives to removing a class
    known = samples.labels >= 0
    return known & (samples.labels != samples.classes.index(away)) if away in samples.classes else np.zeros_like(known)


def sentence(n: int, n_all: int) -> str:
    """A sentence on how many were left unchanged."""
    have, are = ("has", "is") if n == 1 else ("have", "are")
    return f"{n:,} of {counted(n_all, 'sample')} already {have} the feature and {are} left unchanged"
