"""Scores of samples for the API and the page: how strange, whether too strange, and where."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.report.tiles import heat
from isthmus.tools.anomaly.conformal import outliers, settled_rate
from isthmus.web.loaded_run import LoadedRun

STRONG = 6.0  # times the usual error of a pixel that is drawn in full orange: no normal one has that


def scored(loaded: LoadedRun, raw: np.ndarray) -> dict[str, Any]:
    """Score, p-value and outlier of raw samples (N, *shape), and of images a picture of where they are strange.

    For a run that held no samples apart to calibrate by, `p_value`, `outlier` and `rate` are None.
    """
    detector = loaded.detector
    n = len(detector.calibration)
    found, rate = detector.scores(raw), settled_rate(None, n) if n else None
    told: dict[str, Any] = {
        "score": found.score.tolist(),
        "p_value": found.p_value.tolist() if n else [None] * len(raw),
        "outlier": [None] * len(raw) if rate is None else outliers(found.p_value, rate).tolist(),
        "rate": rate,
    }
    if loaded.model.preprocess.is_image:
        _, where = detector.heat(raw)
        told["heat"] = [heat(values.max(0), STRONG) for values in where]
    return told


__all__ = ["scored"]
