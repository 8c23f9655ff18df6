"""Trains the models of the folds, where a rate of false alarms is asked for that too few rows were held out for."""

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
from isthmus.tools.anomaly.conformal import ROUNDING, settled_rate
from isthmus.tools.anomaly.detector import Detector
from isthmus.tools.anomaly.evidence import Evidence
from isthmus.tools.anomaly.fold_detectors import FOLDS, PART, FoldDetectors, as_part
from isthmus.training.in_memory import divided, fold_rows, train_in_memory
from isthmus.training.prepared import Prepared
from isthmus.training.threads import seconds_a_step

# Tables of few rows train for up to 20 s on two cores, so five times four fifths of that are 80 s. Whoever has data
# that takes longer mostly has enough rows to hold some apart.
LONGEST = 120.0  # seconds that all folds together may take


def detector_for(run: RunFolder, rate: float | None, say: Callable[[str], object] = str) -> Detector | FoldDetectors:
    """What can hold that rate of false alarms: the run's detector, or of tables one model a fold of the rows, which are
    trained here and kept in RUN/latent/; `say` hears of that before. Where nothing can, the run's detector.

    Raises: UsageError where that would take longer than LONGEST, or the training data is gone.
    """
    whole = Detector.of_run(run)
    if rate is None or not 0 < rate < 1 or rate + ROUNDING >= 1 / (whole.n + 1) or not _is_possible(run):
        return whole
    found = FoldDetectors.of_run(run, whole)
    if found is None:
        _train(run, whole, rate, say)
        found = FoldDetectors.of_run(run, whole)
    return whole if found is None else found


def _is_possible(run: RunFolder) -> bool:
    """Only for tables in memory whose model is of the package's own parts, and needs nothing but the rows."""
    preprocess, data = run.model.preprocess, run.config.data
    is_table = not preprocess.is_image and preprocess.series is None and run.model.has_code
    return is_table and run.model.own is None and data.target is None and data.stream == "no"


def _train(run: RunFolder, whole: Detector, rate: float, say: Callable[[str], object]) -> None:
    """Every fold that is not there yet, each kept as soon as it is there."""
    prepared = _prepared(run, whole, rate)
    rows, seed = _calibrating(prepared), prepared.config.training.seed
    units = rows.numbers if rows.groups is None else rows.groups
    settled_rate(rate, len(rows) if rows.groups is None else len(np.unique(units)), whole.unit)
    seconds = _seconds(run, prepared)
    _refuse_slow(seconds, whole, rate)
    say(
        f"{whole.n:,} {whole.unit} were held out, too few for a rate of {rate:g}; {FOLDS} further models are "
        f"trained, each without a part of the {len(rows):,} rows (about {seconds:.0f} s, once)"
    )
    for k, (train, out) in enumerate(fold_rows(units, FOLDS, seed)):
        if not run.artifacts.has(PART.format(k)):
            run.artifacts.put(PART.format(k), *_fold(prepared, run, rows.take(train), rows.take(out)))


def _refuse_slow(seconds: float, whole: Detector, rate: float) -> None:
    if seconds > LONGEST:
        why = f"training {FOLDS} further models to hold every row out once would take about {seconds:,.0f} s"
        raise _refused(rate, whole, f"{why}, more than {LONGEST:.0f}")


def _fold(prepared: Prepared, run: RunFolder, rest: Samples, out: Samples) -> Artifact:
    """What is kept of a model that was trained on `rest` as the run was, and judges the rows `out`."""
    config = replace(prepared.config, model=run.model.config)
    splits = divided(rest, VALIDATION_SHARE, config.training.seed)
    model = train_in_memory(config, rest, held_out=VALIDATION_SHARE).model
    return as_part(model, Evidence.of_parts(model, splits.train, splits.validation, out))


def _calibrating(prepared: Prepared) -> Samples:
    """All rows of the training and the validation data; the test data stays for judging."""
    train, validation = prepared.splits.train, prepared.splits.validation
    parts = train.groups, validation.groups
    known = all(groups is not None for groups in parts) and prepared.config.data.split != "shuffled"
    return Samples(
        np.concatenate([train.x, validation.x]), train.name, columns=train.columns, schema=train.schema,
        groups=np.concatenate([np.asarray(groups) for groups in parts]) if known else None,
    )  # fmt: skip


def _seconds(run: RunFolder, prepared: Prepared) -> float:
    """What all folds take, each with so much fewer rows: by the steps of the run, and what one takes here and now."""
    training, train = prepared.config.training, prepared.splits.train
    steps = len(run.history) * math.ceil(len(train) / training.batch_size)
    return (FOLDS - 1) * steps * seconds_a_step(run.model, prepared.x(train, training.batch_size), training)


def _prepared(run: RunFolder, whole: Detector, rate: float) -> Prepared:
    try:
        return run.prepared
    except DataError as error:
        why = "to hold every row out once, the training data is needed"
        raise _refused(rate, whole, f"{why}: {error.message.rstrip('.')}") from None


def _refused(rate: float, whole: Detector, why: str) -> IsthmusError:
    try:
        settled_rate(rate, whole.n, whole.unit)
    except UsageError as error:
        error.message = f"{error.message.rstrip('.')}; {why}."
        return error
    raise AssertionError("a rate that holds needs no folds")


__all__ = ["LONGEST", "detector_for"]
