"""Anomaly scores for the API and the page: the score, whether the sample is an outlier, and where."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.report.tiles import heat
from isthmus.tools.anomaly.conformal import outliers, settled_rate
from isthmus.web.loaded_run import LoadedRun

USUAL = 0.5  # at this p-value or above, a sample is like the more normal half of the calibration samples
UNUSUAL = 0.1  # below it, nine of ten calibration samples are more normal
STRONG = 6.0  # times the usual error of a pixel; drawn in full orange, since normal pixels do not reach it


def scored(loaded: LoadedRun, raw: np.ndarray) -> dict[str, Any]:
    """Score, p-value and outlier of raw samples (N, *shape); for images, also a picture of where they are unusual.

    For a run without calibration samples, `p_value`, `outlier` and `rate` are None. `said` explains the result in
    words. `level` is "pass" if the sample is usual and the model good enough to say so, "warn" for an outlier, else "".
    """
    detector = loaded.detector
    n = len(detector.calibration)
    found, rate = detector.scores(raw), settled_rate(None, n) if n else None
    answer: dict[str, Any] = {
        "score": found.score.tolist(),
        "p_value": found.p_value.tolist() if n else [None] * len(raw),
        "outlier": [None] * len(raw) if rate is None else outliers(found.p_value, rate).tolist(),
        "rate": rate,
    }
    known, good = "images" if loaded.model.preprocess.is_image else "rows", not loaded.failed
    judged = [graded(p, bool(o), known, good=good) for p, o in zip(answer["p_value"], answer["outlier"], strict=True)]
    answer |= {"level": [level for level, _ in judged], "said": [said for _, said in judged]}
    if loaded.model.preprocess.is_image:
        _, where = detector.heat(raw)
        answer["heat"] = [heat(values.max(0), STRONG) for values in where]
    return answer


def graded(p: float | None, outlier: bool, known: str, *, good: bool) -> tuple[str, str]:
    """Level and sentence for a p-value; a model that is not `good` (a verdict failed) calls nothing usual."""
    if p is None:
        said = "No data was held out for comparison, so no sample can be called an outlier."
        return "", f"{said} Training on more data allows this."
    if outlier:
        return "warn", f"An outlier: more unusual than nearly all normal {known}."
    share = f"{100 * (1 - p):.0f} of 100 normal {known} are less unusual"
    if p < UNUSUAL:
        return "", f"Unusual, but not an outlier: {share}."
    if not good:
        return "", f"{share[0].upper()}{share[1:]}, but this says little, because the model failed a verdict."
    if p < USUAL:
        return "pass", f"Within the usual range: {share}."
    return "pass", f"Normal: like most {known} of the training data."


__all__ = ["graded", "scored"]
