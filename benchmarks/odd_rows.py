"""Finding odd rows in tables, compared with simple methods: ADBench, half of the normal rows train, the rest is scored.

python benchmarks/odd_rows.py ADBENCH [--splits 3]      defaults; means of the tables used for choices, and of the rest
    --keep FOLDER      keeps the runs, and uses those that exist already
    --pyod             also PyOD's AutoEncoder, if it is in the Python path
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from table_defaults import chooses

import isthmus
from isthmus.tools.anomaly.conformal import outliers
from isthmus.tools.anomaly.detector import Detector

RATES = (0.01, 0.05, 0.1)
Scores = dict[str, np.ndarray]


def ours(train: np.ndarray, new: np.ndarray, seed: int, out: Path) -> tuple[np.ndarray, np.ndarray]:
    """Scores and p-values of new rows, by a run with all defaults; 64 columns are not an image of 8 x 8 here."""
    if not out.exists():
        np.save(f"{out}.npy", train)
        isthmus.train(f"{out}.npy", out=out, seed=seed, threads=1, show=False, shape="table")
    found = Detector.of_run(isthmus.Run(out)).scores(new)
    return found.score, found.p_value


def others(train: np.ndarray, new: np.ndarray, seed: int) -> Scores:
    """On standardized columns: the mean distance to 5 neighbors, and the other scores with default settings."""
    deviation = train.std(0)
    x, y = ((part - train.mean(0)) / np.where(deviation > 0, deviation, 1) for part in (train, new))
    pca = PCA(0.95, svd_solver="full").fit(x)
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(x.T)), hermitian=True)
    return {
        "5 nearest neighbors": NearestNeighbors(n_neighbors=5).fit(x).kneighbors(y)[0].mean(1),
        "IsolationForest": -IsolationForest(random_state=seed).fit(x).score_samples(y),
        "Mahalanobis": np.einsum("nd,de,ne->n", y - x.mean(0), inverse, y - x.mean(0)),
        "error of PCA, 95 %": np.square(y - pca.inverse_transform(pca.transform(y))).mean(1),
    }


def of_pyod(train: np.ndarray, new: np.ndarray, seed: int) -> Scores:
    """PyOD's defaults: standardized columns, 64 and 32 hidden units, 10 epochs."""
    from pyod.models.auto_encoder import AutoEncoder  # pyright: ignore[reportMissingImports]

    return {"PyOD's AutoEncoder": AutoEncoder(random_state=seed, verbose=0).fit(train).decision_function(new)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--pyod", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options, options.keep or Path(folder))


def measure(options: argparse.Namespace, runs: Path) -> None:
    found: dict[tuple[str, str], list[float]] = {}
    alarms: dict[float, list[float]] = {rate: [] for rate in RATES}
    for split in range(options.splits):
        for path in sorted(options.folder.glob("*.npz"), key=lambda path: path.stat().st_size):
            name, kept = path.stem.partition("_")[2], np.load(path)
            x, odd = kept["X"].astype(np.float32), kept["y"].astype(bool)
            rows = np.random.default_rng(split).permutation(np.flatnonzero(~odd))
            train, rest = rows[: len(rows) // 2], np.setdiff1d(np.arange(len(x)), rows[: len(rows) // 2])
            score, p = ours(x[train], x[rest], split, runs / f"{name}-{split}")
            ways = {"isthmus": score} | others(x[train], x[rest], split)
            for way, values in (ways | (of_pyod(x[train], x[rest], split) if options.pyod else {})).items():
                found.setdefault((way, name), []).append(float(roc_auc_score(odd[rest], values)))
            for rate in RATES:
                alarms[rate].append(float(outliers(p[~odd[rest]], rate).mean()))
            line = "  ".join(f"{way} {values[-1]:.3f}" for (way, table), values in found.items() if table == name)
            rates = ", ".join(f"{alarms[rate][-1]:.3f}" for rate in RATES)
            print(f"{name} {split} {x[train].shape}: {line}; false alarms {rates}", flush=True)
        tell(found, alarms)


def tell(found: dict[tuple[str, str], list[float]], alarms: dict[float, list[float]]) -> None:
    for words, wanted in (("chose", (True,)), ("did not choose", (False,)), ("are there", (True, False))):
        means: dict[str, list[float]] = {}
        for (way, name), values in found.items():
            if chooses(name) in wanted:
                means.setdefault(way, []).append(float(np.mean(values)))
        told = ", ".join(f"{way} {np.mean(values):.4f}" for way, values in means.items())
        print(f"mean AUROC of the {len(means['isthmus'])} tables that {words}: {told}", flush=True)
    print("false alarms: " + ", ".join(f"{rate:g}: {np.mean(values):.4f}" for rate, values in alarms.items()))


if __name__ == "__main__":
    main()
