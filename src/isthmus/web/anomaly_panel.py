"""Scores of samples for the API and the page: how strange, whether too strange, and where."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.report.tiles import heat
from isthmus.tools.anomaly.conformal import outliers, settled_rate
from isthmus.web.loaded_run import LoadedRun

USUAL = 0.5  # a p-value from which a sample is like the less strange half of the known ones
UNUSUAL = 0.1  # below it nine of ten known samples are less strange: none that anybody would call usual
STRONG = 6.0  # times the usual error of a pixel that is drawn in full orange: no normal one has that


def scored(loaded: LoadedRun, raw: np.ndarray) -> dict[str, Any]:
    """Score, p-value and outlier of raw samples (N, *shape), and of images a picture of where they are strange.

    For a run that held no samples apart to calibrate by, `p_value`, `outlier` and `rate` are None. `said` says in words
    what that means, and `level` is "pass" where the sample is usual and the model is good enough to say so, "warn" for
    an outlier, else "".
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
    """Level and words for a p-value; a model that is not `good`, whose verdicts fail, calls nothing usual."""
    if p is None:
        said = "Nothing was held out to compare with, so no score can be called strange. More data to train on allows"
        return "", f"{said} that."
    if outlier:
        return "warn", f"Stranger than nearly all {known} that the model knows."
    share = f"{100 * (1 - p):.0f} of 100 {known} that the model knows are less strange"
    if p < UNUSUAL:
        return "", f"Unusual, though not rare: {share}."
    if not good:
        return "", f"{share[0].upper()}{share[1:]}, but the model fails its own verdicts, so that says little."
    if p < USUAL:
        return "pass", f"Within what is usual: {share}."
    return "pass", f"As usual as most {known} that the model was trained on."


__all__ = ["graded", "scored"]
