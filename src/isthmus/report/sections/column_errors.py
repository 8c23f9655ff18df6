"""For a table: how well each column is reconstructed, and the rows with the largest errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.tables.cell_conversion import to_texts
from isthmus.evaluation.figures.run_pictures import WORST
from isthmus.evaluation.metrics.forward_pass import PassedSamples
from isthmus.report.markup import numeral
from isthmus.report.plots import bar
from isthmus.report.run_data import RunData, Section
from isthmus.wording import counted, three_digits

MOST_VALUES = 2**23  # used, in evenly spread rows: 64 MB as float64; more would not change the means
MOST_COLUMNS = 200  # rows of the table of columns; if there are more, the worst are shown
LITTLE = 0.5  # of a column's variance; below it, the code has hardly any room for the column
WORST_CELLS = 3  # columns that are named for each bad row


def columns(run_data: RunData) -> Section | None:
    """The share of every column's variance that is reconstructed, the worst first; None for images or without data."""
    passed, test, prepared = run_data.passed, run_data.test, run_data.prepared
    if passed is None or test is None or prepared is None or run_data.is_image:
        return None
    seen = passed.rows(range(0, len(passed), -(-test.x.size // MOST_VALUES)))
    preprocess, names = prepared.preprocess.of_rows, column_names(run_data)
    if preprocess is not prepared.preprocess:  # rows of windows, each by itself
        seen = seen._replace(x=seen.x.reshape(-1, preprocess.size), x_hat=seen.x_hat.reshape(-1, preprocess.size))
        names = list(preprocess.columns or ())
    mse, kept = _kept(preprocess, seen)
    raw, raw_hat = (preprocess.to_raw(t).double().numpy() for t in (seen.x, seen.x_hat))
    typical, spread = _typical(preprocess, raw, raw_hat)
    given, back = _shown(preprocess, raw[:1]), _shown(preprocess, raw_hat[:1])
    order = np.argsort(np.nan_to_num(kept, nan=np.inf), kind="stable")
    table = [
        {"name": names[k], "kept": f"{kept[k]:.1%}" if np.isfinite(kept[k]) else _why_unknown(raw[:, k]),
         "bar": bar(float(kept[k])), "mse": numeral(float(mse[k])), "typical": typical[k], "spread": spread[k],
         "given": given[0][k], "back": back[0][k]}
        for k in order[:MOST_COLUMNS]
    ]  # fmt: skip
    content = {"table": table, "left": max(0, len(names) - MOST_COLUMNS), "example": test.id_of(0)}
    return Section(
        "columns", "Reconstruction of the columns", "columns.html", _read(run_data, kept, names, order), content
    )


def _kept(preprocess: Preprocess, seen: PassedSamples) -> tuple[np.ndarray, np.ndarray]:
    """The squared error of each column, and the share of its variance that is reconstructed."""
    x, x_hat = seen.x.double().numpy(), preprocess.known_only(seen.x, seen.x_hat).double().numpy()

    def together(values: np.ndarray) -> np.ndarray:
        return preprocess.by_column(torch.from_numpy(values)).numpy()

    return together(np.square(x - x_hat)).mean(0), explained(x, x_hat, together)


def explained(
    x: np.ndarray, x_hat: np.ndarray, together: Callable[[np.ndarray], np.ndarray] = np.asarray
) -> np.ndarray:
    """The share of each column's variance that is reconstructed, 1 - mse / variance; NaN if it never changes.
    `together` adds up the values of x that belong to one column.
    """
    variance = together(np.square(x - x.mean(0))).mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, 1 - together(np.square(x - x_hat)).mean(0) / variance, np.nan)


def _why_unknown(raw: np.ndarray) -> str:
    return "no values" if np.isnan(raw).all() else "never changes"


def _typical(preprocess: Preprocess, raw: np.ndarray, raw_hat: np.ndarray) -> tuple[list[Any], list[Any]]:
    """The typical error and the spread of each column, in its own unit; for categories, the share of wrong values, and
    the share if the answer were always the most frequent category.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column may have no values in the test data
        error, deviation = np.sqrt(np.nanmean(np.square(raw - raw_hat), axis=0)), np.nanstd(raw, axis=0)
    typical: list[Any]
    spread: list[Any]
    typical, spread = ([numeral(float(v)) for v in values] for values in (error, deviation))
    for k, column in enumerate(preprocess.schema.modeled if preprocess.schema else ()):
        there = ~np.isnan(raw[:, k])
        if column.kind in {"category", "yes-no"} and there.any():
            usual = np.unique(raw[there, k], return_counts=True)[1].max() / there.sum()
            typical[k] = f"{float((raw[there, k] != raw_hat[there, k]).mean()):.0%} wrong"
            spread[k] = f"{float(1 - usual):.0%} wrong"
        if column.kind == "time" and there.any():
            typical[k], spread[k] = (_days(float(v[k])) for v in (error, deviation))
    return typical, spread


def _days(seconds: float) -> str:
    return f"{three_digits(seconds / 86_400)} days" if seconds >= 86_400 else f"{three_digits(seconds / 3600)} hours"


def _shown(preprocess: Preprocess, raw: np.ndarray) -> list[list[str]]:
    """Rows of cells as text; numbers have three digits, unless columns are of several kinds."""
    if preprocess.schema is None:
        return [[numeral(float(value)) for value in row] for row in raw]
    columns = [to_texts(raw[:, k], column) for k, column in enumerate(preprocess.schema.modeled)]
    return [[cell or "missing" for cell in row] for row in zip(*columns, strict=True)]


def worst_rows(run_data: RunData) -> Section | None:
    """The ten test rows with the largest errors, and the columns with these errors."""
    passed, test, errors, prepared = run_data.passed, run_data.test, run_data.errors, run_data.prepared
    if passed is None or test is None or errors is None or prepared is None or run_data.is_image:
        return None
    worst = np.argsort(-np.nan_to_num(errors, nan=np.inf), kind="stable")[:WORST]
    seen = passed.rows(worst)
    preprocess = prepared.preprocess
    given, back = (_shown(preprocess, preprocess.to_raw(t).double().numpy()) for t in (seen.x, seen.x_hat))
    apart = (seen.x - preprocess.known_only(seen.x, seen.x_hat)).double()
    each = preprocess.by_column(apart.square()).numpy()
    names = column_names(run_data)
    table: list[dict[str, Any]] = []
    for i, row in enumerate(worst.tolist()):
        cells = [
            {"name": names[k], "given": given[i][k], "back": back[i][k]}
            for k in np.argsort(-each[i], kind="stable")[:WORST_CELLS]
        ]
        table.append({"id": test.id_of(row), "class": run_data.class_of(row), "cells": cells,
                      "mse": numeral(float(errors[row]))})  # fmt: skip
    sample = run_data.sample
    read = (
        f"The ten worst test {sample}s, with errors from {three_digits(float(errors[worst[0]]))} down to "
        f"{three_digits(float(errors[worst[-1]]))} (the average is {three_digits(float(errors.mean()))}). For each, "
        "the columns with the largest errors are shown, as input → output. Look here for typing errors and unusual "
        "rows."
    )
    if len(worst) < WORST:
        read = read.replace(f"The ten worst test {sample}s", f"All {len(worst)} test {sample}s, the worst first")
    return Section("errors", "Worst cases: where it errs", "rows.html", read, {"table": table})


def column_names(run_data: RunData) -> list[str]:
    """The names of the table's columns, or their numbers."""
    test = run_data.test
    if test is None:
        return []
    return list(test.columns or (f"x{i}" for i in range(test.shape[0])))


def _read(run_data: RunData, kept: np.ndarray, names: list[str], order: np.ndarray) -> str:
    known = kept[np.isfinite(kept)]
    about, sample = run_data.metrics["data"], run_data.sample
    n, series = about["n_test"], about.get("series")
    long = f" of {counted(series['window'], 'row')}" if series else ""
    z_size = run_data.metrics.get("z_size")
    coded = "goes through a network without a code"
    coded = f"is compressed into {counted(z_size, 'number')}, its code" if z_size else coded
    said = [
        f"Each {sample}{long} has {counted(len(names), 'column')} and {coded}. A bar shows the share of a column's "
        f"variance that is reconstructed in the {n:,} test {sample}s: 100% is a perfect copy, 0% is no better than the "
        "mean."
    ]
    if known.size and known.min() < 0:
        said.append(f"Below 0%, the mean of the training {sample}s would be a better prediction.")
    if known.size > 1:
        said.append(
            f"The median is {float(np.median(known)):.1%}, the lowest {float(known.min()):.1%}, for {names[order[0]]}"
            + (", which has little in common with the other columns or is noise." if known.min() < LITTLE else ".")
        )
    return " ".join(said)
