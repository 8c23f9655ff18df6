"""A table's run: how well each column comes back, and the rows that come back worst."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.evaluation.figures.run_pictures import WORST
from isthmus.report.markup import numeral
from isthmus.report.plots import bar
from isthmus.report.run_data import RunData, Section
from isthmus.wording import three_digits

MOST_VALUES = 2**23  # looked at, in rows spread evenly: 64 MB as float64, and means that more would not move
MOST_COLUMNS = 200  # rows of the table of columns; of more the worst are told
LITTLE = 0.5  # of a column's variance; under it the code has hardly room for that column
WORST_CELLS = 3  # columns that are named of each bad row


def columns(run_data: RunData) -> Section | None:
    """What is kept of every column's variation, the worst first; None for images and without the data."""
    passed, test, prepared = run_data.passed, run_data.test, run_data.prepared
    if passed is None or test is None or prepared is None or run_data.is_image:
        return None
    seen = passed.rows(range(0, len(passed), -(-test.x.size // MOST_VALUES)))
    x, x_hat = seen.x.double().numpy(), seen.x_hat.double().numpy()
    mse, kept = np.square(x - x_hat).mean(0), explained(x, x_hat)
    raw, raw_hat = (prepared.preprocess.to_raw(t).double().numpy() for t in (seen.x, seen.x_hat))
    typical = np.sqrt(np.square(raw - raw_hat).mean(0))
    names = column_names(run_data)
    order = np.argsort(np.nan_to_num(kept, nan=np.inf), kind="stable")
    table = [
        {"name": names[k], "kept": f"{kept[k]:.1%}" if np.isfinite(kept[k]) else "never changes",
         "bar": bar(float(kept[k])), "mse": numeral(float(mse[k])), "typical": numeral(float(typical[k])),
         "spread": numeral(float(raw[:, k].std())),
         "given": numeral(float(raw[0, k])), "back": numeral(float(raw_hat[0, k]))}
        for k in order[:MOST_COLUMNS]
    ]  # fmt: skip
    content = {"table": table, "left": max(0, len(names) - MOST_COLUMNS), "example": test.id_of(0)}
    return Section("columns", "What comes back", "columns.html", _read(run_data, kept, names, order), content)


def explained(x: np.ndarray, x_hat: np.ndarray) -> np.ndarray:
    """The share of each column's variance that comes back, 1 - mse / variance; NaN where it never changes."""
    variance = x.var(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, 1 - np.square(x - x_hat).mean(0) / variance, np.nan)


def worst_rows(run_data: RunData) -> Section | None:
    """The ten test rows with the largest error, and in which columns they err."""
    passed, test, errors, prepared = run_data.passed, run_data.test, run_data.errors, run_data.prepared
    if passed is None or test is None or errors is None or prepared is None or run_data.is_image:
        return None
    worst = np.argsort(-np.nan_to_num(errors, nan=np.inf), kind="stable")[:WORST]
    seen = passed.rows(worst)
    raw, raw_hat = (prepared.preprocess.to_raw(t).double().numpy() for t in (seen.x, seen.x_hat))
    each = np.square((seen.x - seen.x_hat).double().numpy())
    names = column_names(run_data)
    table: list[dict[str, Any]] = []
    for i, row in enumerate(worst.tolist()):
        cells = [
            {"name": names[k], "given": numeral(float(raw[i, k])), "back": numeral(float(raw_hat[i, k]))}
            for k in np.argsort(-each[i], kind="stable")[:WORST_CELLS]
        ]
        table.append({"id": test.id_of(row), "class": run_data.class_of(row), "cells": cells,
                      "mse": numeral(float(errors[row]))})  # fmt: skip
    read = (
        f"The ten test rows that come back worst, with errors from {three_digits(float(errors[worst[0]]))} down to "
        f"{three_digits(float(errors[worst[-1]]))}, where the average is {three_digits(float(errors.mean()))}; beside "
        "each the columns "
        "that err most, as they were given and as they came back. Look here for slips of the pen and odd cases."
    )
    if len(worst) < WORST:
        read = read.replace("The ten test rows that come back worst", f"All {len(worst)} test rows, the worst first")
    return Section("errors", "Where it errs", "rows.html", read, {"table": table})


def column_names(run_data: RunData) -> list[str]:
    """The names of the table's columns, or their numbers."""
    test = run_data.test
    if test is None:
        return []
    return list(test.columns or (f"x{i}" for i in range(test.shape[0])))


def _read(run_data: RunData, kept: np.ndarray, names: list[str], order: np.ndarray) -> str:
    known = kept[np.isfinite(kept)]
    n = run_data.metrics["data"]["n_test"]
    said = [
        f"Each row of the table has {len(names):,} columns and goes through a code of {run_data.metrics.get('z_size')} "
        f"numbers. A bar shows how much of a column's ups and downs comes back, over the {n:,} test rows: 100% is a "
        "perfect copy, 0% no better than always answering with the mean."
    ]
    if known.size:
        said.append(
            f"In the middle it is {float(np.median(known)):.1%}; least of all comes back of {names[order[0]]}, "
            f"{float(known.min()):.1%}"
            + (", so that column shares little with the others, or is noise." if known.min() < LITTLE else ".")
        )
    return " ".join(said)
