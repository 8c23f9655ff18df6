"""The code: a histogram of each unit over the test samples, units that do nothing, and a map of the codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.data.labels import evenly
from isthmus.evaluation.figures.data_pictures import as_pictures
from isthmus.evaluation.verdicts.symptoms import LEAST_CODES, dead, stuck
from isthmus.report import tiles
from isthmus.report.markup import legible, numeral
from isthmus.report.plots import histogram, scatter, spot
from isthmus.report.run_data import RunData, Section
from isthmus.tools.exploration.projection import LEAST as LEAST_MAPPED
from isthmus.tools.exploration.projection import project
from isthmus.wording import three_digits

MOST_UNITS = 64  # units that are drawn; more would be too many small pictures
BINS = 25
EDGE = 0.001  # share of all values cut off at either end: outliers would flatten the rest
MANY = 30  # classes; more could not be told apart by color
# Iterations of t-SNE, half of scikit-learn's default: on 200 to 1,000 handwritten digits, its cost ends 1 to 4 % higher
# in half the time, and every training draws this map.
ROUNDS = 500
MAPPED = 500  # points of the map: enough to see the clusters, and 50 kB of thumbnails
THUMB, SPRITE_COLUMNS = 28, 40  # pixels of a thumbnail's longer side; thumbnails per row of their sheet


def code(run_data: RunData) -> Section | None:
    """Histograms of the units and the map; None without a code or without data."""
    passed, model = run_data.passed, run_data.model
    if passed is None or model is None or passed.z is None or len(passed.z) < 2:
        return None
    z = passed.z.numpy().astype(np.float64)
    signed = model.bottleneck.signed
    silent = set(dead(z, signed=signed).tolist()) if len(z) >= LEAST_CODES else set()
    ends = set() if signed else set(stuck(z).tolist())
    test, rows = run_data.test, np.arange(len(z))
    if test is not None:
        rows = np.sort(evenly(rows, test.labels, MAPPED))
    points, plane = plane_of(z[rows], run_data.config.training.seed)
    content = {
        "units": _units(z, _ranked(run_data, z), silent, ends),
        "left": max(0, z.shape[1] - MOST_UNITS),
        "z_size": z.shape[1],
        "silent": sorted(silent),
        "stuck": sorted(ends),
        "finer": run_data.command("map", "-o map.png"),
        **_map(run_data, rows, points),
    }
    script = content.pop("script")
    return Section("code", "The code", "code.html", _read(run_data, z, silent, ends, plane), content, script)


def _ranked(run_data: RunData, z: np.ndarray) -> np.ndarray:
    """All units in the order of `isthmus traverse` and the app, those that change the output most first; if that was
    not measured, by their spread."""
    moved = None if run_data.moments is None else run_data.moments.movement
    moved = np.zeros(z.shape[1]) if moved is None else np.nan_to_num(moved)
    return np.lexsort((-z.std(0), -moved))


def _units(z: np.ndarray, units: np.ndarray, silent: set[int], ends: set[int]) -> list[dict[str, Any]]:
    """A small histogram for each unit, all on the same scale; of many units, the first and the last."""
    low, high = np.quantile(z, EDGE), np.quantile(z, 1 - EDGE)
    high = high if high > low else low + 1.0
    spread = z.std(0)
    if len(units) > MOST_UNITS:
        units = np.concatenate([units[: MOST_UNITS * 3 // 4], units[-MOST_UNITS // 4 :]])
    counts = [np.histogram(z[:, unit], BINS, (low, high))[0] for unit in units]
    # A unit that never changes has a single high bar, so the scale is set by the usual height.
    most = float(np.quantile([c.max() for c in counts], 0.9)) or 1.0
    zero = float((0 - low) / (high - low))
    made = []
    for unit, count in zip(units.tolist(), counts, strict=True):
        state = "dead" if unit in silent else "stuck" if unit in ends else ""
        mean, deviation = three_digits(float(z[:, unit].mean())), three_digits(float(spread[unit]))
        label = f"unit {unit}: mean {mean}, standard deviation {deviation}"
        picture = histogram(count.tolist(), most, label=f"{label}{', ' + state if state else ''}", zero=zero)
        made.append({"name": f"unit {unit}", "state": state, "svg": picture, "std": numeral(float(spread[unit]))})
    return made


def plane_of(z: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    """The codes (N, Z) as points in [0, 1], by t-SNE if possible, else by PCA, and a phrase about the method."""
    if len(z) >= LEAST_MAPPED and z.shape[1] > 1 and np.isfinite(z).all() and (z.std(0) > 0).any():
        points = project(z, "tsne", seed=seed, rounds=ROUNDS).points.astype(np.float64)
        points -= points.min(0)
        return points / np.where(points.max(0) > 0, points.max(0), 1.0), "by t-SNE, which keeps neighbors together"
    points, share = principal_plane(z)
    return points, f"along their two directions of largest variance, which hold {share:.0%} of it"


def principal_plane(z: np.ndarray) -> tuple[np.ndarray, float]:
    """The codes (N, Z) along their first two principal components, in [0, 1], and these components' variance share."""
    centered = z - z.mean(0)
    _, sizes, directions = np.linalg.svd(centered, full_matrices=False)
    plane = np.zeros((len(z), 2))
    found = centered @ directions[:2].T
    plane[:, : found.shape[1]] = found
    plane -= plane.min(0)
    share = float((sizes[:2] ** 2).sum() / ((sizes**2).sum() or 1.0))
    return plane / np.where(plane.max(0) > 0, plane.max(0), 1.0), share


def _map(run_data: RunData, rows: np.ndarray, points: np.ndarray) -> dict[str, Any]:
    """The scatter of these codes, with a legend, and with thumbnails for script.js."""
    test, passed = run_data.test, run_data.passed
    if test is None or passed is None:
        return {"map": None, "script": {}}
    order = np.argsort(points[:, 0], kind="stable")  # from left to right, for the arrow keys
    rows, at = rows[order], points[order]
    classes = test.classes if test.labels is not None and len(test.classes) <= MANY else ()
    labels = np.zeros(len(rows), int) if test.labels is None or not classes else test.labels[rows]
    names = {k: name for k, name in enumerate(classes) if len(classes) > 1 and (labels == k).any()}
    label = f"Map of {len(rows):,} codes" + (f", colored by {len(classes)} classes" if len(classes) > 1 else "")
    found = [legible(f"{run_data.class_of(int(row))} · {test.id_of(int(row))}".strip(" ·")) for row in rows]
    script: dict[str, Any] = {"points": np.round(at, 4).tolist(), "names": found}
    content: dict[str, Any] = {"map": scatter(at, labels.tolist(), names, label=label), "sprite": None}
    content["legend"] = [{"name": name, "kind": spot(k)} for k, name in names.items()]
    if run_data.is_image:
        sheet, width, height = tiles.sprite(
            as_pictures(passed.inputs(rows), of=passed.model.preprocess), SPRITE_COLUMNS, THUMB
        )
        content["sprite"] = sheet
        script["sprite"] = {"columns": SPRITE_COLUMNS, "width": width, "height": height}
    return content | {"script": script}


def _read(run_data: RunData, z: np.ndarray, silent: set[int], ends: set[int], plane: str) -> str:
    spread = z.std(0)
    noisy = " (noisy, as in training)" if run_data.noise else ""
    said = [
        f"Each small picture is a histogram of one of the {z.shape[1]:,} units of the code over the {len(z):,} test "
        f"{run_data.sample}s{noisy}, the strongest unit first. A wide histogram carries much information, a single "
        f"spike none. The standard deviations go from {three_digits(float(spread.min()))} to "
        f"{three_digits(float(spread.max()))}."
    ]
    said += unit_notes(len(silent), len(ends), z.shape[1])
    said.append(f"The map shows the codes {plane}: points close together have similar codes.")
    return " ".join(said)


def unit_notes(n_dead: int, n_stuck: int, Z: int) -> list[str]:
    """Sentences on the dead and the stuck ones of Z units."""
    are, have = ("is", "it has") if n_dead == 1 else ("are", "they have")
    dead_ones = f"{n_dead} of {Z} {are} dead (marked in red): {have} nearly the same value for every sample."
    are, their = ("is", "its") if n_stuck == 1 else ("are", "their")
    stuck_ones = f"{n_stuck} {are} stuck at the ends of {their} range (also marked) and can hardly learn any more."
    return [dead_ones if n_dead else "Every unit varies from sample to sample.", *([stuck_ones] if n_stuck else [])]
