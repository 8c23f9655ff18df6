"""The time to read a CSV of mixed columns with the kinds of its columns, compared with polars reading it as text.

python benchmarks/table_reading.py [ROWS]        200,000 by default, 50 columns
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.read import read

NUMBERS, COUNTS, NAMES, TRUTHS, DAYS = 25, 8, 10, 4, 3  # columns of each kind
GAPS = 0.02  # of the first column
ROUNDS = 5


def table(n: int, seed: int = 0) -> pl.DataFrame:
    """n rows of 50 columns."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"number{i}": np.round(rng.normal(size=n) * 10 ** (i % 4), 3) for i in range(NUMBERS)}
    columns |= {f"count{i}": rng.integers(0, 500, n) for i in range(COUNTS)}
    columns |= {f"name{i}": rng.choice([f"level_{k}" for k in range(5 + 3 * i)], n) for i in range(NAMES)}
    columns |= {f"truth{i}": rng.choice(["yes", "no"], n) for i in range(TRUTHS)}
    days = np.datetime64("2020-01-01") + rng.integers(0, 1500, (DAYS, n)).astype("timedelta64[D]")
    frame = pl.DataFrame(columns | {f"day{i}": days[i].astype(str) for i in range(DAYS)})
    gaps = pl.Series(rng.random(n) < GAPS)
    return frame.with_columns(number0=pl.when(gaps).then(None).otherwise(pl.col("number0")))


def timed(name: str, action: Callable[[], object]) -> np.ndarray:
    """Seconds (2,) of processor time and of wall time."""
    begun = np.array([time.process_time(), time.perf_counter()])
    action()
    seconds = np.array([time.process_time(), time.perf_counter()]) - begun
    print(f"{name:<20} {seconds[0]:6.2f} s of processor time, {seconds[1]:6.2f} s of wall time")
    return seconds


def main(n: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mixed.csv"
        table(n).write_csv(path)
        print(f"{n:,} rows, {path.stat().st_size / 1e6:.0f} MB")
        ratios = []
        for _ in range(ROUNDS):
            text = timed("polars, as text", lambda: pl.read_csv(path, infer_schema=False))
            ratios.append(timed("isthmus, by kinds", lambda: read(path, DataConfig())) / text)
        print("median ratios: processor time {:.2f}, wall time {:.2f}".format(*np.median(ratios, 0)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
