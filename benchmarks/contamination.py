"""The estimator and IsolationForest: the share of new normal rows called outliers, and how high odd rows rank.

python benchmarks/contamination.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus import AutoEncoder

SHARE = 0.1  # of the training rows that may be outliers
SEEDS = 4
TRAINS = 0.7  # of the normal rows; the rest are new
TABLES = {
    "breast cancer": (load_breast_cancer, 1),
    "wine, kind 1": (load_wine, 1),
    "wine, kind 0": (load_wine, 0),
}


def halves(load: Any, usual: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(training rows, new normal rows, odd rows); rows of the class `usual` are normal."""
    x, labels = load(return_X_y=True)
    normal = x[labels == usual]
    rows = np.random.default_rng(0).permutation(len(normal))
    n_train = int(TRAINS * len(normal))
    return normal[rows[:n_train]], normal[rows[n_train:]], x[labels != usual]


def measured(model: Any, train: np.ndarray, new: np.ndarray, odd: np.ndarray) -> tuple[float, float]:
    """(share of the new normal rows called outliers, AUROC of the odd ones)."""
    model = make_pipeline(StandardScaler(), model).fit(train)
    scores = -model.score_samples(np.concatenate([new, odd]))
    area = roc_auc_score(np.repeat([0, 1], [len(new), len(odd)]), scores)
    return float((model.predict(new) == -1).mean()), float(area)


def main() -> None:
    for name, (load, usual) in TABLES.items():
        train, new, odd = halves(load, usual)
        print(f"{name}, {len(train)} rows train, {len(new)} new normal ones, {len(odd)} odd ones")
        for kind in (AutoEncoder, IsolationForest):
            found = [measured(kind(contamination=SHARE, random_state=seed), train, new, odd) for seed in range(SEEDS)]
            called, area = np.mean(found, 0)
            print(f"  {kind.__name__:<15} outliers {called:.2f}, AUROC {area:.3f} (mean of {SEEDS} seeds)", flush=True)


if __name__ == "__main__":
    main()
