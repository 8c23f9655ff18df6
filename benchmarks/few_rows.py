"""False alarms with few rows: tables of 250 normal rows, p-values from held-out rows and from folds.

python benchmarks/few_rows.py ADBENCH [--rows 250] [--splits 8]      defaults; new normal rows of three tables, odd rows
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import isthmus
from isthmus.tools.anomaly.conformal import outliers
from isthmus.tools.anomaly.fold_training import detector_for

TABLES = ("2_annthyroid", "23_mammography", "28_pendigits")  # thousands of normal rows each, so that shares are precise
RATES = (0.01, 0.05, 0.1)
MOST = 2_000  # new normal rows per draw


def measured(x: np.ndarray, odd: np.ndarray, n: int, seed: int) -> dict[str, list[float]]:
    """Shares of new normal rows and of odd rows that are outliers at each rate; seconds that the folds took."""
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(~odd))
    new, found = x[rows[n : n + MOST]], {}
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/rows.npy", x[rows[:n]])  # folds read the data again, so it cannot be data in memory
        run = isthmus.train(f"{folder}/rows.npy", out=f"{folder}/run", seed=seed, threads=1, show=False, shape="table")
        begun = time.perf_counter()
        ways = {"held apart": detector_for(run, None), "folds": detector_for(run, min(RATES))}
        seconds = time.perf_counter() - begun
        for way, detector in ways.items():
            p, p_odd = detector.scores(new).p_value, detector.scores(x[odd]).p_value
            found[way] = [float(outliers(p, rate).mean()) for rate in RATES]
            found[f"{way}, odd"] = [float(outliers(p_odd, rate).mean()) for rate in RATES]
    return found | {"seconds": [seconds, float(run.record["seconds"])]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=250)
    parser.add_argument("--splits", type=int, default=8)
    options = parser.parse_args()
    print(f"outliers at the rates {RATES}; seconds of the folds, of the run")
    for name in TABLES:
        kept = np.load(options.folder / f"{name}.npz")
        x, odd = kept["X"].astype(np.float32), kept["y"].astype(bool)
        draws = []
        for seed in range(options.splits):
            draws.append(measured(x, odd, options.rows, seed))
            print(name, seed, draws[-1], flush=True)
        for way in draws[0]:
            values = np.array([draw[way] for draw in draws])
            error = values.std(0, ddof=1) / np.sqrt(len(values))
            told = ", ".join(f"{mean:.3f} ± {e:.3f}" for mean, e in zip(values.mean(0), error, strict=True))
            print(f"{name}, {way}: {told}; most {values.max(0).round(3).tolist()}", flush=True)


if __name__ == "__main__":
    main()
