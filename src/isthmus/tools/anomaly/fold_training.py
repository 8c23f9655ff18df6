"""Trains the models of the folds, if too few rows were held out for the requested false-alarm rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from isthmus.data.batching.split import VALIDATION_SHARE
from isthmus.data.samples import Samples
from isthmus.errors import DataError, IsthmusError, UsageError
from isthmus.runs.artifacts import Artifact
from isthmus.runs.folder import RunFolder
from isthmus.tools.anomaly.conformal import ROUNDING, USUAL_RATE, lowest_rate, settled_rate
from isthmus.tools.anomaly.detector import Detector
from isthmus.tools.anomaly.evidence import Evidence
from isthmus.tools.anomaly.fold_detectors import FOLDS, PART, FoldDetectors, as_part
from isthmus.training.in_memory import divided, fold_rows, train_in_memory
from isthmus.training.prepared import Prepared
from isthmus.training.threads import seconds_a_step
from isthmus.wording import counted

# Small tables train for up to 20 s on two cores, and five times four fifths of that is 80 s. Data that takes longer
# mostly has enough rows to hold some out.
LONGEST = 120.0  # seconds for all folds together


def detector_for(run: RunFolder, rate: float | None, say: Callable[[str], object] = str) -> Detector | FoldDetectors:
    """A detector for that false-alarm rate: the run's own, or for tables one model per fold of the rows, which is
    trained here and saved in RUN/latent/; `say` is called before that. If neither supports the rate, the run's own.

    Raises: UsageError if that would take longer than LONGEST, the training data is gone, or it has too few rows.
    """
    whole = Detector.of_run(run)
    if rate is None or not 0 < rate < 1 or rate + ROUNDING >= 1 / (whole.n + 1) or not _is_possible(run):
        return whole
    found = FoldDetectors.of_run(run, whole)
    if found is None:
        _train(run, whole, rate, say)
        found = FoldDetectors.of_run(run, whole)
    return whole if found is None else found


def rate_of_folds(run: RunFolder, unit: str) -> float | None:
    """The lowest false-alarm rate, but at least the default, that models of folds of this run would allow.

    None if they cannot be trained, if that would take too long at the speed of the run's own training, or if the `unit`
    that calibrates is a group: the number of groups is not stored.
    """
    known = run.metrics.get("data", {})
    n = known.get("n_train", 0) + known.get("n_validation", 0)
    is_fast = (FOLDS - 1) * run.metrics.get("seconds", 0.0) <= LONGEST
    return max(USUAL_RATE, lowest_rate(n)) if n and unit == "sample" and is_fast and _is_possible(run) else None


def _is_possible(run: RunFolder) -> bool:
    """Whether folds can be trained: only for tables in memory, with a model of the package's own parts."""
    preprocess, data = run.model.preprocess, run.config.data
    is_table = not preprocess.is_image and preprocess.series is None and run.model.has_code
    return is_table and run.model.own is None and data.target is None and data.stream == "no"


def _train(run: RunFolder, whole: Detector, rate: float, say: Callable[[str], object]) -> None:
    """Trains every missing fold, and saves each one as soon as it is trained."""
    prepared = _prepared(run, whole, rate)
    rows, seed = _calibrating(prepared), prepared.config.training.seed
    units = rows.numbers if rows.groups is None else rows.groups
    settled_rate(rate, len(rows) if rows.groups is None else len(np.unique(units)), whole.unit)
    seconds = _seconds(run, prepared)
    _refuse_slow(seconds, whole, rate)
    held = f"{counted(whole.n, whole.unit)} {'was' if whole.n == 1 else 'were'} held out"
    say(
        f"{held} for calibration, too few for a false-alarm rate of {rate:g}; training {FOLDS} "
        f"additional models, each without a part of the {len(rows):,} rows (about {seconds:.0f} s, only once)"
    )
    for k, (train, out) in enumerate(fold_rows(units, FOLDS, seed)):
        if not run.artifacts.has(PART.format(k)):
            run.artifacts.put(PART.format(k), *_fold(prepared, run, rows.take(train), rows.take(out)))


def _refuse_slow(seconds: float, whole: Detector, rate: float) -> None:
    if seconds > LONGEST:
        why = f"training {FOLDS} additional models to hold out every row once would take about {seconds:,.0f} s"
        raise _refused(rate, whole, f"{why}, more than the limit of {LONGEST:.0f} s")


def _fold(prepared: Prepared, run: RunFolder, rest: Samples, out: Samples) -> Artifact:
    """The part to save for a model that was trained on `rest` like the run, and judges the rows `out`."""
    config = replace(prepared.config, model=run.model.config)
    splits = divided(rest, VALIDATION_SHARE, config.training.seed)
    model = train_in_memory(config, rest, held_out=VALIDATION_SHARE).model
    return as_part(model, Evidence.of_parts(model, splits.train, splits.validation, out))


def _calibrating(prepared: Prepared) -> Samples:
    """All rows of the training and validation data; the test data is kept for evaluation."""
    train, validation = prepared.splits.train, prepared.splits.validation
    parts = train.groups, validation.groups
    known = all(groups is not None for groups in parts) and prepared.config.data.split != "shuffled"
    return Samples(
        np.concatenate([train.x, validation.x]), train.name, columns=train.columns, schema=train.schema,
        groups=np.concatenate([np.asarray(groups) for groups in parts]) if known else None,
    )  # fmt: skip


def _seconds(run: RunFolder, prepared: Prepared) -> float:
    """The estimated time for all folds, from the number of steps of the run and the time of a step on this machine."""
    training, train = prepared.config.training, prepared.splits.train
    steps = len(run.history) * math.ceil(len(train) / training.batch_size)
    return (FOLDS - 1) * steps * seconds_a_step(run.model, prepared.x(train, training.batch_size), training)


def _prepared(run: RunFolder, whole: Detector, rate: float) -> Prepared:
    try:
        return run.prepared
    except DataError as error:
        why = "to hold out every row once, the training data is needed"
        raise _refused(rate, whole, f"{why}: {error.message.rstrip('.')}") from None


def _refused(rate: float, whole: Detector, why: str) -> IsthmusError:
    try:
        settled_rate(rate, whole.n, whole.unit)
    except UsageError as error:
        error.message = f"{error.message.rstrip('.')}; {why}."
        return error
    raise AssertionError("a rate that holds needs no folds")


__all__ = ["LONGEST", "detector_for", "rate_of_folds"]
