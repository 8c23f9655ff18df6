"""`isthmus score`: writes scores, p-values and outliers, with explanations: heat maps of images, columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data.samples import Samples
from isthmus.data.tables.writing import about_formulas, write_table
from isthmus.errors import DataError, FolderInUseError, ResourceError, UsageError
from isthmus.evaluation.figures import anomaly_sheets, figures
from isthmus.evaluation.figures.data_pictures import as_pictures
from isthmus.evaluation.verdicts.set_check import check_set
from isthmus.runs.folder import RunFolder
from isthmus.runs.training_rows import keep_training_rows, training_rows
from isthmus.system.outputs import refuse_inputs
from isthmus.system.progress import tell
from isthmus.tools.anomaly.conformal import outliers, settled_rate
from isthmus.tools.anomaly.detector import Detector, Scores
from isthmus.tools.anomaly.fold_detectors import FoldDetectors
from isthmus.tools.anomaly.fold_training import detector_for, rate_of_folds
from isthmus.tools.anomaly.scored import Scored
from isthmus.tools.anomaly.series_scores import score_series
from isthmus.tools.inference.picking import is_own, pick
from isthmus.tools.inference.written import TABLES, keep_inputs
from isthmus.wording import counted

BLAMED = 3  # columns named per row
MOST_BLAMED = 10_000  # rows that are explained, highest scores first
BLAME_VALUES = 2**27  # values sent through the model for that: ten seconds. For wide tables, fewer rows are explained
PICTURED = 20
Judge = Detector | FoldDetectors


def score(
    run: RunFolder, source: str | Path, out: str | Path, *, false_alarms: float | None = None,
    picture: str | Path | None = None, settings: Mapping[str, Any] | None = None, say: Callable[[str], object] = str,
) -> Scored:  # fmt: skip
    """Writes `id`, `label` if known, `score`, `p_value`, `outlier` and the parts of the score of every sample.

    For a table, the three columns that contribute most to the score are named for the rows with the highest scores,
    with the nats by which the score would fall if only that column were as usual. `picture` is a .png of the images
    with the highest scores, or of a series over time; every row of a series has a score. If too few samples were held
    out for the rate, models of folds are used (`fold_training`); `say` is called before they are trained.

    Raises: UsageError for a rate that is too low for the number of calibration samples, or an unsuitable `out` or
    `picture`; like `picking.pick`.
    """
    target = Path(out)
    _refuse(run, source, target, picture)
    if run.model.preprocess.series is not None:
        return score_series(run, source, target, false_alarms, picture, settings)
    samples = pick(run, source, settings)
    detector = detector_for(run, false_alarms, say)
    rate = settled_rate(false_alarms, detector.n, detector.unit)
    tell(f"scoring {counted(len(samples), 'sample')}")
    found = detector.scores(samples.x)
    n_trained = trained_on(run, source, samples)
    flags = outliers(found.p_value, rate)
    columns = _columns(samples, found, flags, local=detector.has_local) | _blame(detector, samples, found)
    write_table(target, columns)
    if picture is not None:
        _draw(detector, samples, found, flags, Path(picture))
    whole = check_set(run, samples, scored=detector.set_scores(found.score, rate))
    sentences = [whole.text] if whole.text else []
    limits = detector.about(rate, false_alarms, rate_of_folds(run, detector.unit))
    said = [*samples.notes, *sentences, *limits, *about_formulas(target, columns)]
    said += _about_groups(run, detector, samples)
    if n_trained:
        were = "was" if n_trained == 1 else "were"
        said.append(
            f"{n_trained:,} of {counted(len(samples), 'sample')} {were} in the training data; training samples score "
            "lower than new ones, so the false-alarm rate does not hold for them"
        )
    limit, n = detector.threshold(rate), detector.n
    drawn = None if picture is None else Path(picture)
    scored = Scored(target, drawn, len(samples), int(flags.sum()), rate, limit, n, tuple(said), n_trained, whole)
    if detector.unit == "sample" or samples.groups is None:
        return scored
    alarmed = len(np.unique(samples.groups[flags]))
    return replace(scored, groups=(alarmed, len(np.unique(samples.groups))))


def trained_on(run: RunFolder, source: str | Path, samples: Samples) -> int | None:
    """How many samples equal a training sample of the run, whatever file they are in.

    For old runs, which did not store this: their own data is read again once; for other data None, because scoring
    should not read or download the training data.
    """
    known = training_rows(run.path)
    if known is None and is_own(run, source):
        try:
            keep_training_rows(run.path, run.prepared.splits.train)
        except (DataError, ResourceError, FolderInUseError):
            return None
        known = training_rows(run.path)
    return None if known is None else int(known.holds(np.asarray(samples.x)).sum())


def _columns(samples: Samples, found: Scores, flags: np.ndarray, *, local: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {"id": samples.all_ids()}
    if samples.labels is not None:
        columns["label"] = samples.all_labels()
    columns |= {"score": found.score, "p_value": found.p_value, "outlier": flags}
    columns |= {"from_error": found.error, "from_code": found.code}
    return columns | ({"from_local": found.local} if local else {})


def _blame(detector: Judge, samples: Samples, found: Scores) -> dict[str, Any]:
    """The columns blame1, amount1 … of a table; empty for rows that are not among the highest scores."""
    if samples.is_image or not len(samples):
        return {}
    N, D = samples.x.shape
    names = samples.columns or tuple(f"x{i}" for i in range(D))
    most = min(N, MOST_BLAMED, max(10, BLAME_VALUES // detector.blame_values))
    rows = np.argsort(-found.score, kind="stable")[:most]
    tell(f"finding the columns to blame for the {counted(most, 'row')} with the highest scores")
    amounts = detector.blame(samples.x[rows])
    order = np.argsort(-amounts, axis=1, kind="stable")[:, :BLAMED]
    columns: dict[str, Any] = {}
    for k in range(order.shape[1]):
        blamed: list[str] = [""] * N
        nats: list[float | None] = [None] * N
        for row, column, amount in zip(rows, order[:, k], amounts[np.arange(most), order[:, k]], strict=True):
            if amount > 0:
                blamed[row], nats[row] = names[column], float(amount)
        columns |= {f"blame{k + 1}": blamed, f"amount{k + 1}": nats}
    return columns


def _draw(detector: Judge, samples: Samples, found: Scores, flags: np.ndarray, out: Path) -> None:
    tell("drawing the images with the highest scores")
    rows = np.argsort(-found.score, kind="stable")[:PICTURED]
    raw = samples.x[rows]
    x = detector.model.preprocess.to_x(torch.from_numpy(np.array(raw)))
    x_hat, heat = detector.heat(raw)
    ids = [samples.id_of(int(row)) for row in rows]
    known = detector.model.preprocess
    drawn = as_pictures(x, of=known), as_pictures(x_hat, x, of=known), heat
    figures.save(anomaly_sheets.strangest(*drawn, ids, found.p_value[rows].tolist(), flags[rows].tolist()), out)


def _about_groups(run: RunFolder, detector: Judge, samples: Samples) -> list[str]:
    """A note if the rate is per group and the samples have no groups, or the other way round."""
    if detector.unit == "group" and samples.groups is None:
        return [
            "the false-alarm rate is per group, as in training; each of these samples counts as a group, so false "
            "alarms are rarer than stated"
        ]
    if detector.unit == "sample" and samples.groups is not None and run.config.data.split == "shuffled":
        return [
            "this run is from an older version, which could split groups across training, validation and test data, "
            "so false alarms may be more frequent than stated; a new run does not have this problem"
        ]
    return []


def _refuse(run: RunFolder, source: str | Path, out: Path, picture: str | Path | None) -> None:
    keep_inputs(run, source, out)
    if out.suffix.lower() not in TABLES:
        message = f"scores cannot be written as {out.suffix or 'a folder'}."
        raise UsageError("USAGE-OUT", message, fix="name a .csv or .parquet file with -o")
    if picture is None:
        return
    keep_inputs(run, source, picture)
    refuse_inputs(picture, out)
    if Path(picture).suffix.lower() != ".png":
        message = f"the picture cannot be written as {Path(picture).suffix or 'a folder'}."
        raise UsageError("USAGE-OUT", message, fix="name a .png file with --picture")
    if not run.model.preprocess.is_image and run.model.preprocess.series is None:
        message = "rows of a table cannot be drawn; the file of scores names the columns to blame."
        raise UsageError("USAGE-OUT", message, fix="leave out --picture")


__all__ = ["Scored", "score"]
