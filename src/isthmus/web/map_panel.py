"""The map of codes for the page: up to a thousand training codes in two dimensions, with a small picture of each."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from isthmus.data.labels import evenly
from isthmus.errors import IsthmusError
from isthmus.evaluation.figures.data_pictures import laid_on_board
from isthmus.report.tiles import sprite
from isthmus.tools.exploration.projection import project
from isthmus.web.loaded_run import LoadedRun

POINTS = 1_000  # enough to see the clusters; t-SNE takes a few seconds, and the page stays fast
COLUMNS, SIDE = 40, 28  # of the sheet of small pictures
PART = "map"


def chart(loaded: LoadedRun, method: str = "auto") -> dict[str, Any]:
    """Points in [0, 1], with rows, classes and pictures of their codes; "auto": t-SNE if it was saved, else PCA.

    Raises: IsthmusError if there is no code.
    """
    latent = loaded.latent
    rows = np.sort(evenly(np.arange(len(latent.codes)), latent.labels, POINTS))
    points, method_sentence = _plane(loaded, rows, method)
    labels = None if latent.labels is None else latent.labels[rows].tolist()
    found: dict[str, Any] = {
        "points": np.round(points, 4).tolist(),
        "rows": rows.tolist(),
        "ids": [latent.ids[int(row)] for row in rows],
        "labels": labels,
        "classes": list(latent.classes),
        "about": method_sentence,
        "sprite": None,
    }
    if loaded.model.preprocess.is_image:
        shown = laid_on_board if loaded.model.preprocess.alpha else np.asarray
        sheet, width, height = sprite(shown(loaded.pictures(loaded.coder.decode(latent.codes[rows]))), COLUMNS, SIDE)
        found["sprite"] = {"uri": sheet, "columns": COLUMNS, "width": width, "height": height}
    return found


def _plane(loaded: LoadedRun, rows: np.ndarray, method: str) -> tuple[np.ndarray, str]:
    """The points, from the run folder if they were saved there."""
    artifacts = loaded.run.artifacts
    if method != "pca":
        with suppress(IsthmusError, KeyError):
            part = artifacts.get(PART)
            if np.array_equal(part.arrays["rows"], rows):
                return part.arrays["points"], str(part.about["told"])
    method = "pca" if method == "auto" else method
    made = project(loaded.latent.codes[rows], method, seed=loaded.run.config.training.seed)
    points = made.points - made.points.min(0)
    points = points / np.where(points.max(0) > 0, points.max(0), 1.0)
    if method == "tsne":  # takes a few seconds, so it is saved for the next time
        artifacts.keep(PART, {"told": made.sentence}, {"rows": rows, "points": points.astype(np.float32)})
    return points, made.sentence


__all__ = ["chart"]
