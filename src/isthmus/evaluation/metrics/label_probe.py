"""How much information about labels a code has: nearest neighbors, a linear classifier and clusters, fitted on one part
of the data and tested on another. Any features can be used, so codes can be compared with raw pixels and PCA.
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
from isthmus.wording import counted

K = 5  # neighbors that vote: on MNIST's validation images, 1 to 7 all give 98.3 to 98.4 %; 5 can outvote a wrong label
STEPS = 100  # of L-BFGS: MNIST's codes and pixels need 32 and 46
# Mean squared distance from the mean to which features are scaled, so that one regularization fits both 32 codes and
# 784 pixels: 90.3 and 90.2 % on 10,000 digits, where standardized columns give 90.2 and 88.1.
SPREAD = 10.0
STARTS: Any = 10  # of k-means, of which the best is used; with 3, the NMI of MNIST codes varied by 0.02 with the seed
CLUSTERED = 10_000  # samples for k-means: the standard error of its centers is a hundredth of the clusters' width
# Largest numbers of samples, and of multiplications in the search for neighbors among raw values, which takes longest:
# for MNIST, 27,600 and 4,600 images, about half a minute on one core in total.
MOST_TRAIN, MOST_TEST, WORK = 60_000, 10_000, 1e11


def probe(
    codes_train: np.ndarray, y_train: np.ndarray, codes_test: np.ndarray, y_test: np.ndarray, *, k: int = K,
    seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """`{"knn", "linear", "nmi", "ari", "k", "n_train", "n_test", "n_classes", "size"}` of features (N, D), (M, D).

    `knn` and `linear` are accuracies on the test part, in [0, 1]: of a vote of the k nearest training samples
    (Euclidean; a tie goes to the class that sorts first), and of multinomial logistic regression (C = 1) on scaled
    features. `nmi` and `ari` compare the test labels with the k-means clusters of the training part, one cluster per
    class. A class that only the test part has counts as an error.

    Raises: DataError for features that are not finite, fewer than two classes, or fewer than two samples in a part.
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
    """The share of test samples whose class wins the vote of the k nearest training samples."""
    model = KNeighborsClassifier(min(k, len(train)), algorithm="auto").fit(train, y_train)
    return float(model.score(test, y_test))


def linear_accuracy(train: np.ndarray, y_train: np.ndarray, test: np.ndarray, y_test: np.ndarray) -> float:
    """The accuracy on the test samples of logistic regression fitted to the training samples."""
    mean, variance = train.mean(0), float(train.var(0).sum())
    scale = (variance / SPREAD) ** 0.5 or 1.0
    model = LogisticRegression(max_iter=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps is fixed
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
    """`{"codes", "pca", "raw"}`: `probe` of the codes, of the same number of principal components of x, and of x.

    Each pair is (training part, test part); x is (N, …) as input to the network.
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
    """How many training and test samples with this number of values are used: all up to the limits above, else fewer
    of both in the same proportion.
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
        raise DataError("DATA-CODES", message, fix="train again; `isthmus info RUN` shows how the training ended")
    return features


def _check(train: np.ndarray, test: np.ndarray, y_train: np.ndarray, y_test: np.ndarray) -> None:
    if len(train) != len(y_train) or len(test) != len(y_test) or min(len(train), len(test)) < 2:
        found = f"{counted(len(train), 'training sample')} with {counted(len(y_train), 'label')} and"
        found += f" {counted(len(test), 'test sample')} with {counted(len(y_test), 'label')}"
        message = f"{found} cannot be compared: each set needs at least 2 samples, with one label per sample."
        raise DataError("DATA-LABEL", message, fix="pass one label per sample")
    if len(np.unique(y_train)) < 2:
        fix = "use data with labels; for a table, name their column with --label COLUMN"
        raise DataError("DATA-LABEL", "the training samples have only one class; at least two are needed.", fix=fix)
