"""False alarms among samples that belong together: as groups, and as if the rows were independent.

python benchmarks/groups.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import isthmus
from isthmus.tools.anomaly.conformal import outliers

ROWS, RATE, TRAININGS = 20, 0.05, 12


def patients(n: int, seed: int) -> pl.DataFrame:
    """Rows of n patients, each around its own level; the last column is nearly the sum of the others."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, 1, 3)) + 0.3 * rng.normal(size=(n, ROWS, 3))).reshape(-1, 3)
    frame = pl.DataFrame(x, schema=["a", "b", "c"])
    last = pl.Series("d", x.sum(1) + 0.1 * rng.normal(size=len(x)))
    return frame.with_columns(last, patient=pl.Series([f"p{i // ROWS:03}" for i in range(len(x))]))


def alarms(folder: Path, seed: int, rule: str, new: np.ndarray) -> tuple[float, float]:
    """The shares of rows and of patients with a false alarm."""
    path = folder / f"{seed}.csv"
    patients(400, seed).write_csv(path)
    settings = {"steps": 100, "z_size": 2, "seed": seed, "group": "patient", "split": rule}
    run = isthmus.train(str(path), out=folder / f"{rule}-{seed}", show=False, **settings)
    found = outliers(run.score(new).p_value, RATE).reshape(-1, ROWS)
    return float(found.mean()), float(found.any(1).mean())


def main() -> None:
    new = patients(300, 999).drop("patient").to_numpy()
    with tempfile.TemporaryDirectory() as folder:
        for rule in ("stratified", "shuffled"):
            found = np.array([alarms(Path(folder), seed, rule, new) for seed in range(TRAININGS)])
            rows, groups = 100 * found.mean(0)
            twice = int((found[:, 0] > 2 * RATE).sum())
            print(f"{rule:<11} rows {rows:.1f} %, patients {groups:.1f} %, more than twice the rate of rows: {twice}")


if __name__ == "__main__":
    main()
