from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from isthmus.errors import DataError
from isthmus.evaluation.metrics import label_probe


def groups(n: int, D: int, gap: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """n normal samples of D values round three corners that are `gap` apart on each axis, and their classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return (rng.normal(size=(n, D)) + gap * np.eye(3, D)[y]).astype(np.float32), y


def voted(train: np.ndarray, y: np.ndarray, test: np.ndarray, k: int) -> np.ndarray:
    """The vote of the k nearest, by all differences and a loop."""
    distances = np.square(test[:, None].astype(float) - train[None]).sum(2)
    return np.array([np.bincount(y[np.argsort(row, kind="stable")[:k]]).argmax() for row in distances])


@pytest.mark.parametrize("k", [1, 5, 40])
def test_neighbors_vote(k: int) -> None:
    (x, y), (x_test, y_test) = groups(120, 4, 2.0), groups(90, 4, 2.0, seed=1)
    expected = np.mean(voted(x, y, x_test, k) == y_test)
    assert 0.5 < expected < 1
    assert label_probe.probe(x, y, x_test, y_test, k=k)["knn"] == expected


def test_the_linear_probe_reaches_what_the_best_classifier_can() -> None:
    """Two normal classes a distance d apart: the best line gets Phi(d / 2) right."""
    rng = np.random.default_rng(0)
    y = np.arange(40_000) % 2
    x = (rng.normal(size=(40_000, 5)) + np.outer(y, [2.0, 0, 0, 0, 0])).astype(np.float32)
    half = len(y) // 2
    found = label_probe.linear_accuracy(x[:half], y[:half], x[half:], y[half:])
    assert found == pytest.approx(0.8413, abs=0.008)  # three standard errors of 20,000 answers


@pytest.mark.parametrize("factor", [1.0, 1e-3, 1e4])
def test_the_linear_probe_does_not_depend_on_units(factor: float) -> None:
    (x, y), (x_test, y_test) = groups(300, 6, 1.5), groups(200, 6, 1.5, seed=1)
    spread = np.sqrt(x.var(0).sum() / 10)
    expected = LogisticRegression(max_iter=1_000).fit(x / spread, y).score(x_test / spread, y_test)
    found = label_probe.linear_accuracy(factor * x + 3, y, factor * x_test + 3, y_test)
    assert found == pytest.approx(expected, abs=0.0051)  # one answer of 200: the mean is taken off, and steps end


def test_clusters_of_separate_groups_are_the_classes() -> None:
    (x, _), (x_test, y_test) = groups(150, 5, 30.0), groups(90, 5, 30.0, seed=1)
    assert label_probe.clustering(x, x_test, y_test, n_clusters=3) == {"nmi": pytest.approx(1), "ari": pytest.approx(1)}
    halves = np.where(y_test < 2, 0, 1)  # two classes in one cluster: by scikit-learn, of the labels themselves
    found = label_probe.clustering(x, x_test, halves, n_clusters=3)
    expected = normalized_mutual_info_score(halves, y_test), adjusted_rand_score(halves, y_test)
    assert (found["nmi"], found["ari"]) == pytest.approx(expected)


def test_codes_without_the_labels_give_chance() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3_000, 4)), np.arange(3_000) % 10
    found = label_probe.probe(x[:2_000], y[:2_000], x[2_000:], y[2_000:])
    assert found["knn"] == pytest.approx(0.1, abs=0.03)  # three standard errors of 1,000 answers
    assert found["linear"] == pytest.approx(0.1, abs=0.03)
    assert found["nmi"] < 0.05
    assert abs(found["ari"]) < 0.02
    assert (found["n_train"], found["n_test"], found["n_classes"], found["size"], found["k"]) == (2000, 1000, 10, 4, 5)


def test_a_probe_is_the_same_every_time() -> None:
    (x, y), (x_test, y_test) = groups(120, 4, 1.0), groups(90, 4, 1.0, seed=1)
    assert label_probe.probe(x, y, x_test, y_test) == label_probe.probe(x, y, x_test, y_test)


def test_a_class_that_only_the_test_has_counts_as_mistaken() -> None:
    (x, y), (x_test, y_test) = groups(150, 5, 30.0), groups(90, 5, 30.0, seed=1)
    found = label_probe.probe(x, y, x_test, np.where(y_test == 0, 7, y_test))
    assert found["knn"] == pytest.approx(2 / 3)
    assert found["linear"] == pytest.approx(2 / 3)


def test_pca_and_raw_values_stand_beside() -> None:
    (x, y), (x_test, y_test) = groups(200, 8, 3.0), groups(100, 8, 3.0, seed=1)
    images = x.reshape(-1, 1, 2, 4), x_test.reshape(-1, 1, 2, 4)
    found = label_probe.beside((x[:, :2], x_test[:, :2]), images, (y, y_test))
    pca = PCA(2, svd_solver="full").fit(x)
    expected = np.mean(voted(pca.transform(x), y, pca.transform(x_test), 5) == y_test)
    assert found["pca"]["knn"] == pytest.approx(expected, abs=0.011)  # one answer, where two are equally near
    assert [found[name]["size"] for name in ("codes", "pca", "raw")] == [2, 2, 8]
    assert found["raw"] == label_probe.probe(x, y, x_test, y_test)
    assert found["codes"] == label_probe.probe(x[:, :2], y, x_test[:, :2], y_test)


def test_bytes_and_fractions_are_one() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (120, 6), dtype=np.uint8), np.arange(120) % 3
    z = (x[:80, :2].astype(float), x[80:, :2].astype(float))
    as_bytes = label_probe.beside(z, (x[:80], x[80:]), (y[:80], y[80:]))
    as_fractions = label_probe.beside(z, (x[:80] / 255, x[80:] / 255), (y[:80], y[80:]))
    assert as_bytes["raw"]["knn"] == as_fractions["raw"]["knn"]
    assert as_bytes["pca"]["knn"] == as_fractions["pca"]["knn"]


def test_rows_are_chosen_evenly_over_the_classes_and_have_one() -> None:
    labels = np.array([-1] * 50 + [0] * 100 + [1] * 30 + [2] * 5)
    rows = label_probe.chosen(labels, 45, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [20, 20, 5]
    assert (np.diff(rows) > 0).all()
    assert len(label_probe.chosen(labels, 10_000, np.random.default_rng(0))) == 135


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ((60_000, 10_000, 10), (60_000, 10_000)),
        ((100_000, 20_000, 10), (60_000, 10_000)),
        ((500, 100, 12_288), (500, 100)),
        ((3, 3, 10**12), (2, 2)),
    ],
)
def test_small_data_is_taken_whole(given: tuple[int, int, int], taken: tuple[int, int]) -> None:
    assert label_probe.sizes(*given) == taken


def test_large_data_is_thinned_to_the_work_allowed() -> None:
    n_train, n_test = label_probe.sizes(60_000, 10_000, 784)
    assert n_train / n_test == pytest.approx(6, rel=1e-3)
    assert n_train * n_test * 784 == pytest.approx(label_probe.WORK, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y: (np.where(x > 2, np.nan, x), y), "the features of training sample 0 are not finite"),
        (lambda x, y: (x, np.zeros(len(y))), "have only one class"),
        (lambda x, y: (x, y[:-1]), "30 training samples with 29 labels"),
        (lambda x, y: (x[:1], y[:1]), "1 training sample with 1 label .* at least 2 samples"),
    ],
)
def test_what_cannot_be_judged(change, words: str) -> None:
    x, y = groups(30, 4, 0.0)
    x[0, 0] = 5
    z, labels = change(np.minimum(x, 5), y)
    with pytest.raises(DataError, match=words):
        label_probe.probe(z, labels, x, y)
