"""One digit is normal: mean AUROC over all ten digits, compared with PyOD's AutoEncoder and IsolationForest.

    ISTHMUS_DATA=… python benchmarks/anomaly.py [--classes 0,1,2] [--seeds 0] [--steps 8000] [--others] [--out FOLDER]

For each digit, a run is trained on the training images of that digit only, always with the settings of the default
recipe. `isthmus score` scores all 10,000 test images; the other nine digits are the anomalies to find. Training and
calibration see no anomalies and no labels. The form of the score was chosen by looking at the results for digits 2, 5
and 8, so the mean over the other seven is printed too. `--others` compares with scikit-learn's IsolationForest and
PyOD. PyOD needs `pip install pyod` and is not installed with isthmus; without it, a message says that it is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

import isthmus
from isthmus.runs.folder import RunFolder
from isthmus.tools.anomaly.score_table import score

LOOKED_AT = (2, 5, 8)  # the form of the score was chosen on the test images of these digits, so they cannot judge it


def ours(normal: np.ndarray, test: Path, inliers: Path, folder: Path, steps: int, seed: int) -> pl.DataFrame:
    """The scores of all test images from a run that was trained on one digit only."""
    run = isthmus.train(
        normal, test=str(inliers), steps=steps, seed=seed, threads=1, show=False, out=folder / "run"
    )  # the run's own metrics use only the normal test images; nothing is chosen by them
    score(RunFolder(run.path), test, folder / "scores.parquet")
    return pl.read_parquet(folder / "scores.parquet")


def forest(normal: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    found = IsolationForest(random_state=seed).fit(normal.reshape(len(normal), -1))
    return -found.score_samples(test.reshape(len(test), -1))


def pyod(normal: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """PyOD's AutoEncoder with its defaults, on pixels in [0, 1]."""
    from pyod.models.auto_encoder import AutoEncoder  # pyright: ignore[reportMissingImports]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = AutoEncoder(random_state=seed, verbose=0)
        found.fit(normal.reshape(len(normal), -1) / 255.0)
        return found.decision_function(test.reshape(len(test), -1) / 255.0)


def summary(values: list[float]) -> str:
    mean = statistics.fmean(values)
    return f"mean AUROC {mean:.4f}, lowest {min(values):.4f}, highest {max(values):.4f}, of {len(values)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--classes", default="0,1,2,3,4,5,6,7,8,9")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, default=8_000, help="the default recipe's budget")
    parser.add_argument("--others", action="store_true", help="IsolationForest and PyOD too")
    parser.add_argument("--out", type=Path, default=None, help="keep runs and scores here")
    options = parser.parse_args()
    with_pyod = options.others and importlib.util.find_spec("pyod") is not None
    if options.others and not with_pyod:
        print("PyOD is not installed, so it is skipped")
    train, test = isthmus.read("mnist").train, isthmus.read("mnist").test
    assert test is not None
    assert train.labels is not None
    assert test.labels is not None
    found: dict[str, list[tuple[int, float]]] = {}
    flagged: list[tuple[float, float]] = []
    folder = Path(tempfile.mkdtemp()) if options.out is None else options.out
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "test.npy", test.x)
    for digit in map(int, options.classes.split(",")):
        normal, strange = train.x[train.labels == digit], test.labels != digit
        np.save(folder / "inliers.npy", test.x[~strange])
        for seed in map(int, options.seeds.split(",")):
            place, began = folder / f"{digit}-{seed}", time.perf_counter()
            scores = ours(normal, folder / "test.npy", folder / "inliers.npy", place, options.steps, seed)
            told = {"isthmus": scores["score"].to_numpy()}
            told |= {f"its {part}": scores[f"from_{part}"].to_numpy() for part in ("error", "code")}
            flags = scores["outlier"].to_numpy()
            flagged.append((float(flags[~strange].mean()), float(flags[strange].mean())))
            if options.others:
                told["IsolationForest"] = forest(normal, test.x, seed)
            if with_pyod:
                told["PyOD AutoEncoder"] = pyod(normal, test.x, seed)
            line = []
            for who, values in told.items():
                found.setdefault(who, []).append((digit, float(roc_auc_score(strange, values))))
                line.append(f"{who} {found[who][-1][1]:.4f}")
            alarms = f"false alarms {flagged[-1][0]:.3f}, found {flagged[-1][1]:.3f} at 0.01"
            seconds = f"{time.perf_counter() - began:.0f} s"
            print(f"digit {digit} seed {seed}: {', '.join(line)}; {alarms}; {seconds}", flush=True)
    for who, values in found.items():
        print(f"{who}: {summary([value for _, value in values])}")
        rest = [value for digit, value in values if digit not in LOOKED_AT]
        if rest:
            print(f"{who}, digits that chose nothing: {summary(rest)}")
    print(
        f"false alarms {np.mean([a for a, _ in flagged]):.4f}, anomalies found {np.mean([b for _, b in flagged]):.4f}"
    )


if __name__ == "__main__":
    main()
