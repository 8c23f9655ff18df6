"""`isthmus score` for a series: a table with the score of every row, and a picture over time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.series.series_rows import SeriesRows, stamp_texts
from isthmus.data.series.windowing import all_windows
from isthmus.data.tables.writing import about_formulas, write_table
from isthmus.evaluation.figures import figures
from isthmus.evaluation.figures.timeline import Timeline, draw_timeline, timeline_title
from isthmus.runs.folder import RunFolder
from isthmus.runs.training_rows import training_rows
from isthmus.tools.anomaly.conformal import USUAL_RATE, outliers, settled_rate
from isthmus.tools.anomaly.dependent_scores import dependent_threshold
from isthmus.tools.anomaly.detector import Scores
from isthmus.tools.anomaly.explained_scores import ExplainedScores, blame_like
from isthmus.tools.anomaly.scored import Scored
from isthmus.tools.anomaly.step_detector import StepDetector, StepScores
from isthmus.tools.inference.intake import read_rows
from isthmus.tools.inference.picking import refuse_picked
from isthmus.wording import counted

BLAMED = 3  # columns named per row, as for rows of tables
NUMBERS = {"number", "count", "yes-no"}  # kinds of columns whose values can be drawn


def score_series(
    run: RunFolder,
    source: str | Path,
    out: Path,
    false_alarms: float | None,
    picture: str | Path | None,
    settings: Mapping[str, Any] | None,
) -> Scored:
    """Writes `id`, the time, `score`, `p_value`, `outlier` and the columns to blame of every row, in table order.

    Raises: UsageError for a rate that is too low for the number of rows, and for selected rows; like `read_rows`.
    """
    detector = StepDetector.of_run(run)
    rate = settled_rate(false_alarms, detector.evidence.independent, "independent row")
    refuse_picked(source)
    rows = read_rows(run, source, settings)
    found = detector.scores(rows)
    flags, limit = outliers(found.p_value, rate), _limit(detector, rate)
    columns = score_columns(detector, rows, found, flags)
    write_table(out, columns)
    if picture is not None:
        line = _timeline(detector, rows, found, flags, limit)
        figures.save(draw_timeline(line, timeline_title(rows.table.name, flags)), Path(picture))
    n_trained = _trained_on(run, detector, rows)
    said = (*rows.table.notes, *_about(detector, rows, rate, n_trained), *about_formulas(out, columns))
    drawn = None if picture is None else Path(picture)
    n = len(rows)
    return Scored(out, drawn, n, int(flags.sum()), rate, limit, len(detector.calibration), said, n_trained)


def scores_of(run: RunFolder, data: Any) -> ExplainedScores:
    """The scores of every row of a Python object, in the given order; `code` and `local` are always 0."""
    rows = read_rows(run, data)
    detector = StepDetector.of_run(run)
    found, none = detector.scores(rows), np.zeros(len(rows))
    scores = Scores(found.score, found.score, none, found.p_value, none)
    return ExplainedScores.of(scores, lambda: blame_like(data, found.blame, detector.layout.rows.names))


def score_columns(detector: StepDetector, rows: SeriesRows, found: StepScores, flags: np.ndarray) -> dict[str, Any]:
    """The columns of the score table, in the row order of the input."""
    columns: dict[str, Any] = {"id": rows.table.all_ids()}
    texts = stamp_texts(rows, detector.layout)
    if texts is not None:
        columns["time"] = texts
    columns |= {"score": found.score, "p_value": found.p_value, "outlier": flags}
    names = np.array(detector.layout.rows.names, dtype=object)
    order = np.argsort(-found.blame, axis=1, kind="stable")[:, :BLAMED]
    for k in range(order.shape[1]):
        amounts = np.take_along_axis(found.blame, order[:, k : k + 1], 1)[:, 0]
        there = amounts > 0
        columns |= {f"blame{k + 1}": np.where(there, names[order[:, k]], "").tolist()}
        columns |= {f"amount{k + 1}": [float(a) if known else None for a, known in zip(amounts, there, strict=True)]}
    return columns


def _limit(detector: StepDetector, rate: float) -> float:
    return dependent_threshold(detector.calibration, detector.evidence.independent, rate)


def _trained_on(run: RunFolder, detector: StepDetector, rows: SeriesRows) -> int | None:
    """The number of rows in windows that the run was trained on; None for old runs, which did not store this."""
    known = training_rows(run.path)
    if known is None:
        return None
    trained = np.zeros(len(rows), bool)
    for cut in all_windows(rows, detector.layout):
        held = cut.rows[known.holds(cut.raw)]
        trained[held[held >= 0]] = True
    return int(trained.sum())


def _about(detector: StepDetector, rows: SeriesRows, rate: float, n_trained: int | None) -> list[str]:
    """Notes on the limits of the p-values, and on rows that are scored in another way."""
    said = [_about_p_values(len(detector.calibration), detector.evidence.independent)]
    lengths = np.diff([*rows.starts.tolist(), len(rows)])
    short = int(lengths[lengths < detector.layout.window].sum())
    if short:
        window = detector.layout.window
        said.append(
            f"{counted(short, 'row')} in stretches shorter than {window:,} rows: scored with gaps around them, for "
            "which the false-alarm rate is not calibrated"
        )
    if n_trained:
        were = "was" if n_trained == 1 else "were"
        said.append(
            f"{n_trained:,} of {counted(len(rows), 'row')} {were} in training windows; training rows score lower than "
            "new ones, so the false-alarm rate does not hold for them"
        )
    return said


def _about_p_values(n: int, independent: float) -> str:
    """The lowest p-value with n calibration rows, and the fix if no row can be an outlier at the default rate."""
    if not n:
        few = "no validation rows were held out for calibration because there are too few"
        return f"{few}, so every p-value is 1; train on a longer series"
    least = 1 / (independent + 1)
    said = f"{n:,} rows calibrate the p-values; they are correlated in time and count as {round(independent, 1):,}"
    said += f" independent ones, so the lowest possible p-value is {least:.2g}"
    if least <= USUAL_RATE:
        return said
    times = math.ceil((1 / USUAL_RATE - 1) / independent)
    return (
        f"{said}. At a lower false-alarm rate, no row can be an outlier, but scores still show which rows are the most "
        f"unusual. A rate of {USUAL_RATE:g} needs about {times:,} times as many calibration rows: train on a longer "
        "series (a twentieth of it is used), or train with other rows as --validation (half of them are used)"
    )


def _timeline(detector: StepDetector, rows: SeriesRows, found: StepScores, flags: np.ndarray, limit: float) -> Timeline:
    layout, order = detector.layout, rows.order
    columns = layout.rows.modeled
    blame = found.blame[flags].sum(0) if flags.any() else found.blame.sum(0)
    shown = [k for k in np.argsort(-blame, kind="stable").tolist() if columns[k].kind in NUMBERS]
    shown = sorted(shown[:6])
    texts = stamp_texts(rows, layout) or rows.table.all_ids()
    names = tuple(columns[k].name for k in shown)
    times = [texts[i] for i in order]
    return Timeline(rows.raw[:, shown], names, found.score[order], flags[order], limit, times, rows.starts)


__all__ = ["score_columns", "score_series", "scores_of"]
