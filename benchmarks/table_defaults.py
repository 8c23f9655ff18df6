"""Settings of a plain autoencoder on tables of numbers, compared with PCA of the same size: source of the defaults.

python benchmarks/table_defaults.py                      wine, breast cancer, diabetes and iris of scikit-learn
python benchmarks/table_defaults.py ADBENCH     also the normal rows of the ADBench files used for choices

For each setting: the squared error on the 30 % of the rows that were not used for training, divided by that of PCA, as
the geometric mean over tables and seeds. ADBench files whose name has an even SHA-256 are used for choices; the others
are kept for the final results.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from sklearn.decomposition import PCA

from isthmus.data.objects import read_object
from isthmus.models.loading import Double
from isthmus.recipes import resolve
from isthmus.settings import nest
from isthmus.training import optimizer
from isthmus.training.in_memory import train_in_memory

NAMED = ("wine", "breast_cancer", "diabetes", "iris")
CHOSEN = {"dropout": 0.1, "passes": 100}
SETTINGS: dict[str, dict[str, Any]] = {
    "chosen": {},
    "no dropout": {"dropout": 0.0},
    "dropout 0.2": {"dropout": 0.2},
    "50 passes": {"passes": 50},
    "rate 0.003": {"lr": 3e-3},
    "linear path at the full rate": {"shortcut_lr": 1.0},
    "no linear path: layers of 512, 256": {"network": "mlp", "hidden": (512, 256), "dropout": 0.0},
}
LEAST_STEPS = 300


def chooses(name: str) -> bool:
    """Whether an ADBench table was used for choices, by its name without the number."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == 0


def tables(folder: Path | None) -> dict[str, np.ndarray]:
    found = {name: getattr(datasets, f"load_{name}")().data for name in NAMED}
    for path in sorted(folder.glob("*.npz")) if folder else ():
        name = path.stem.partition("_")[2]
        if chooses(name):
            kept = np.load(path)
            found[name] = kept["X"][kept["y"] == 0]
    return found


def components(train: np.ndarray) -> int:
    """How many components hold 95 % of the variance, fewer than the columns and at most 32: the default code size."""
    needed = PCA(0.95, svd_solver="full").fit(_standard(train, train)).n_components_
    return max(1, min(needed, train.shape[1] - 1, 32))


def _standard(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    deviation = train.std(0)
    return (x - train.mean(0)) / np.where(deviation > 0, deviation, 1)


def error_of_pca(train: np.ndarray, test: np.ndarray, k: int) -> float:
    known, x = PCA(k, svd_solver="full").fit(_standard(train, train)), _standard(test, train)
    return float(np.square(x - known.inverse_transform(known.transform(x))).mean())


def error_of_ours(train: np.ndarray, test: np.ndarray, z_size: int, seed: int, given: dict[str, Any]) -> float:
    settings = CHOSEN | given
    optimizer.SHORTCUT_LR = settings.pop("shortcut_lr", 0.1)
    steps = max(LEAST_STEPS, settings.pop("passes") * math.ceil(0.9 * len(train) / 64))
    start = {"data.source": "x", "data.shape": "table", "training.precision": "float32", "training.stall": 0.35}
    named = {f"model.{k}" if k in {"dropout", "network", "hidden"} else f"training.{k}": v for k, v in settings.items()}
    config = resolve(nest(start | named | {"training.seed": seed, "training.steps": steps, "model.z_size": z_size}))
    model = train_in_memory(config, read_object(train, config.data, name="X").train, held_out=0.1).model
    x = model.preprocess.to_x(torch.from_numpy(test.astype(np.float32)))
    return float(Double(model).errors(x).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    ratios: dict[str, list[float]] = {name: [] for name in SETTINGS}
    seconds = dict.fromkeys(SETTINGS, 0.0)
    for table, rows in tables(options.folder).items():
        for seed in range(options.seeds):
            order = np.random.default_rng(seed).permutation(len(rows))
            train, test = np.split(rows[order], [len(rows) * 7 // 10])
            z_size = components(train)
            pca = error_of_pca(train, test, z_size)
            for name, given in SETTINGS.items():
                begun = time.process_time()
                ratios[name].append(error_of_ours(train, test, z_size, seed, given) / pca)
                seconds[name] += time.process_time() - begun
            last = "  ".join(f"{values[-1]:.2f}" for values in ratios.values())
            print(f"{table} {train.shape}, code {z_size}, seed {seed}, PCA {pca:.4f}: {last}", flush=True)
    for name, values in ratios.items():
        mean, each = math.exp(np.mean(np.log(values))), seconds[name] / len(values)
        print(f"{name}: {mean:.3f} of PCA's error, at worst {max(values):.2f}, {each:.1f} s of one core")


if __name__ == "__main__":
    main()
