"""Fits the encoding of table columns to the values of the training part; see `Encoding`."""

from __future__ import annotations

import numpy as np

from isthmus.data.batching.encoding import DAY, WEEK, YEAR, Block, Encoding
from isthmus.data.schema import Schema, TableColumn

SPANS = {DAY: 2 * DAY, WEEK: 2 * WEEK, YEAR: YEAR}  # the time span that the data must cover to use a cycle
# Standard deviation relative to that of a normal column with the same quartiles; above this limit, the tails dominate
# the scale. It is 1.2 for an exponential column, 2.0 for a log-normal column with standard deviation 1.
HEAVY = 2.0
QUARTILES = 1.349  # distance between the quartiles of a normal column, in standard deviations
KNOTS = 41  # of a quantile scale, from -2.5 to 2.5 standard deviations in steps of 1/8
LAST_KNOT = 2.5
# Above this mean, a Poisson count would have to lie within a tenth of its mean; real counts vary more.
MOST_POISSON = 100.0


def fit_encoding(raw: np.ndarray, schema: Schema, scale: str) -> Encoding:
    """The encoding for the training part's raw values (N, K). `scale` is for numbers: auto, quantile, standard, minmax
    or none.

    auto uses quantiles if the tails dominate the standard deviation (`HEAVY`), otherwise it standardizes.
    """
    columns = [(raw[:, k][~np.isnan(raw[:, k])], column) for k, column in enumerate(schema.modeled)]
    return Encoding(tuple(_fitted(values, column, scale) for values, column in columns))


def _fitted(values: np.ndarray, column: TableColumn, scale: str) -> Block:
    values = values if len(values) else np.zeros(1)
    match column.kind:
        case "yes-no":
            share = min(max(float(values.mean()), 1e-3), 1 - 1e-3)
            return Block("yes-no", constant=_entropy(np.array([share, 1 - share])))
        case "category":
            counts = np.bincount(values.astype(np.int64), minlength=len(column.levels) + 1)
            return Block("category", n_levels=len(column.levels), pooled=column.pooled,
                         constant=_entropy(counts / counts.sum()))  # fmt: skip
        case "count":
            return _of_counts(values)
        case "time":
            return _of_times(values, column)
    return _of_numbers(values, column, scale)


def _of_counts(counts: np.ndarray) -> Block:
    offset, spread = _standard(np.log1p(counts))
    mean = float(counts.mean())
    if not 0 < mean <= MOST_POISSON:
        return Block("count", offset, 1 / spread, constant=0.5, decimals=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(counts > 0, counts * np.log(counts / mean), 0.0)
    deviance = float((logs - counts + mean).mean())  # half the Poisson deviance of predicting the mean
    return Block("count", offset, 1 / spread, poisson=True, constant=max(deviance, 1e-3), decimals=0)


def _of_times(seconds: np.ndarray, column: TableColumn) -> Block:
    offset, spread = _standard(seconds)
    span, clock = float(np.ptp(seconds)), "%d" not in column.format
    seen = {DAY: column.step < DAY, WEEK: not clock, YEAR: not clock}
    cycles = tuple(c for c, there in seen.items() if there and (span >= SPANS[c] or (clock and c == DAY)))
    return Block("time", offset, 1 / spread, cycles=cycles, step=column.step, constant=0.5)


def _of_numbers(values: np.ndarray, column: TableColumn, scale: str) -> Block:
    decimals = column.decimals
    if scale == "none":
        return Block("number", decimals=decimals, constant=max(float(values.var()) / 2, 1e-12))
    if scale == "minmax":
        low, high = float(values.min()), float(values.max())
        spread = high - low if high > low else 1.0
        constant = max(float(values.var()) / spread**2 / 2, 1e-6)
        return Block("number", low, 1 / spread, decimals=decimals, constant=constant)
    offset, spread = _standard(values)
    if scale == "quantile" or (scale == "auto" and _is_heavy(values, spread)):
        return Block("number", offset, 1 / spread, knots=_knots(values), decimals=decimals, constant=0.5)
    return Block("number", offset, 1 / spread, decimals=decimals, constant=0.5)


def _standard(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation; a deviation of 1 for a constant column."""
    offset, spread = float(values.mean()), float(values.std())
    return offset, spread if spread > 1e-12 * max(1.0, abs(offset)) else 1.0


def _is_heavy(values: np.ndarray, spread: float) -> bool:
    low, high = np.quantile(values, (0.25, 0.75))
    return bool(high > low and spread * QUARTILES > HEAVY * (high - low))


def _knots(values: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Quantiles and the matching normal quantiles; equal values get the mean of theirs."""
    from scipy.special import ndtr  # late: takes 0.1 s, and most tables do not need it

    x = np.linspace(-LAST_KNOT, LAST_KNOT, KNOTS)
    raw = np.quantile(values, ndtr(x))
    places = np.unique(raw)
    if len(places) < 2:
        return ()
    middle = [float(x[raw == place].mean()) for place in places]
    return tuple(zip(places.tolist(), middle, strict=True))


def _entropy(shares: np.ndarray) -> float:
    """Entropy in nats, at least 0.05: a column that hardly ever changes must not outweigh the others."""
    there = shares[shares > 0]
    return max(float(-(there * np.log(there)).sum()), 0.05)
