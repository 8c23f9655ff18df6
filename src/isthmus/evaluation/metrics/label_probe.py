"""How much of the labels a code holds: nearest neighbors, a linear classifier and clusters, trained on one part of the
data and told on another. Any features will do, so that raw pixels and PCA stand beside the codes.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier

from isthmus.data.labels import evenly
from isthmus.errors import DataError
from isthmus.randomness import seed_of

K = 5  # neighbors that vote: on MNIST's validation images 1 to 7 are alike, 98.3 to 98.4 %; 5 outvote a wrong label
STEPS = 100  # of L-BFGS: MNIST's codes and pixels need 32 and 46
# Mean squared distance from the mean that features are scaled to for it, so that one regularization fits 32 codes and
# 784 pixels: 90.3 and 90.2 % on 10,000 digits, where standardized columns give 90.2 and 88.1.
SPREAD = 10.0
STARTS: Any = 10  # of k-means, the best of which counts; with 3 the NMI of MNIST codes moved by 0.02 with the seed
CLUSTERED = 10_000  # samples that centers are fitted to: their standard error is a hundredth of the clusters' width
# Samples at most, and multiplications in the search for neighbors among raw values, which takes longest: of MNIST
# 27,600 and 4,600 images, about half a minute on one core for everything.
MOST_TRAIN, MOST_TEST, WORK = 60_000, 10_000, 1e11


def probe(
    codes_train: np.ndarray, y_train: np.ndarray, codes_test: np.ndarray, y_test: np.ndarray, *, k: int = K,
    seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """`{"knn", "linear", "nmi", "ari", "k", "n_train", "n_test", "n_classes", "size"}` of features (N, D), (M, D).

    `knn` and `linear` are accuracies on the test part, in [0, 1]: of a vote of the k nearest training samples
    (Euclidean; a tie goes to the class that sorts first), and of multinomial logistic regression (C = 1) on features
    of one spread. `nmi` and `ari` compare the test labels with the k-means clusters of the training part, as many as
    there are classes. A class that only the test part has counts as mistaken.

    Raises: DataError for features that are not finite, fewer than two classes, or fewer than two samples a part.
    """
    train, test = _features(codes_train, "training"), _features(codes_test, "test")
    _check(train, test, np.asarray(y_train), np.asarray(y_test))
    classes = np.unique(y_train)
    found = {
        "knn": knn_accuracy(train, y_train, test, y_test, k=k),
        "linear": linear_accuracy(train, y_train, test, y_test),
        **clustering(train, test, y_test, n_clusters=len(classes), seed=seed),
        "k": min(k, len(train)),
    }
    return found | {"n_train": len(train), "n_test": len(test), "n_classes": len(classes), "size": train.shape[1]}


def knn_accuracy(train: np.ndarray, y_train: np.ndarray, test: np.ndarray, y_test: np.ndarray, *, k: int = K) -> float:
    """The share of test samples whose k nearest training samples vote for their class."""
    model = KNeighborsClassifier(min(k, len(train)), algorithm="auto").fit(train, y_train)
    return float(model.score(test, y_test))


def linear_accuracy(train: np.ndarray, y_train: np.ndarray, test: np.ndarray, y_test: np.ndarray) -> float:
    """The share of test samples that logistic regression, fitted to the training samples, gets right."""
    mean, variance = train.mean(0), float(train.var(0).sum())
    scale = (variance / SPREAD) ** 0.5 or 1.0
    model = LogisticRegression(max_iter=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of steps is the rule here
        model.fit((train - mean) / scale, y_train)
    return float(model.score((test - mean) / scale, y_test))


def clustering(
    train: np.ndarray, test: np.ndarray, y_test: np.ndarray, *, n_clusters: int, seed: int = 0
) -> dict[str, float]:
    """`{"nmi", "ari"}` of k-means fitted to the training samples, against the labels of the test samples."""
    state = seed_of(seed, "probe", "clusters") % 2**32
    few = train[:: -(-len(train) // CLUSTERED)]
    model = KMeans(min(n_clusters, len(few)), n_init=STARTS, random_state=state).fit(few)
    clusters = model.predict(test)
    return {
        "nmi": float(normalized_mutual_info_score(y_test, clusters)),
        "ari": float(adjusted_rand_score(y_test, clusters)),
    }


def beside(
    codes: tuple[np.ndarray, np.ndarray], x: tuple[np.ndarray, np.ndarray], y: tuple[np.ndarray, np.ndarray], *,
    k: int = K, seed: int = 0,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """`{"codes", "pca", "raw"}`: `probe` of the codes, of as many principal components of x, and of x itself.

    Each pair is (training part, test part); x is (N, …) on the scale that the network sees.
    """
    raw = x[0].reshape(len(x[0]), -1), x[1].reshape(len(x[1]), -1)
    size = min(codes[0].shape[1], *raw[0].shape)
    state = seed_of(seed, "probe", "pca") % 2**32
    pca = PCA(size, random_state=state).fit(raw[0])
    spaces = {"codes": codes, "pca": (pca.transform(raw[0]), pca.transform(raw[1])), "raw": raw}
    return {name: probe(a, y[0], b, y[1], k=k, seed=seed) for name, (a, b) in spaces.items()}


def chosen(labels: np.ndarray, most: int, generator: np.random.Generator) -> np.ndarray:
    """Sorted rows of at most `most` samples with a label, evenly over the classes; -1 is no label."""
    rows = generator.permutation(np.flatnonzero(labels >= 0))
    return np.sort(evenly(rows, labels, most))


def sizes(n_train: int, n_test: int, values: int) -> tuple[int, int]:
    """How many training and test samples of so many values are looked at: all up to the limits above, else fewer of
    both in the same proportion.
    """
    n_train, n_test = min(n_train, MOST_TRAIN), min(n_test, MOST_TEST)
    share = min(1.0, (WORK / max(1.0, float(n_train) * n_test * values)) ** 0.5)
    return max(min(n_train, 2), int(n_train * share)), max(min(n_test, 2), int(n_test * share))


def _features(values: np.ndarray, part: str) -> np.ndarray:
    features = np.asarray(values, dtype=np.float32)
    features = features.reshape(len(features), -1)
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(1))[0])
        message = f"the features of {part} sample {row} are not finite."
        raise DataError("DATA-CODES", message, fix="train again: `isthmus info RUN` shows how its training ended")
    return features


def _check(train: np.ndarray, test: np.ndarray, y_train: np.ndarray, y_test: np.ndarray) -> None:
    if len(train) != len(y_train) or len(test) != len(y_test) or min(len(train), len(test)) < 2:
        found = (
            f"{len(train):,} training samples with {len(y_train):,} labels, {len(test):,} and {len(y_test):,} to test"
        )
        raise DataError("DATA-LABEL", f"{found}; at least 2 of each are needed.", fix="give one label a sample")
    if len(np.unique(y_train)) < 2:
        fix = "name data with labels, for a table with --label COLUMN"
        raise DataError("DATA-LABEL", "the training samples have one class; two are needed to compare.", fix=fix)
