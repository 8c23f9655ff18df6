"""`AutoEncoder` in scikit-learn: its estimator checks, PCA, pipelines, searches, frames, outliers, images."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, make_blobs
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
import tiny
from isthmus.errors import UsageError
from isthmus.estimator import AutoEncoder
from isthmus.training.in_memory import fold_rows
from tiny import Digits

IRIS = load_iris().data
QUICK: dict[str, Any] = {"hidden": (16,), "steps": 5}  # a fit trains four models, but this check needs no training
CHECKED = AutoEncoder() if os.environ.get("ISTHMUS_LONG") else AutoEncoder(**QUICK)
OF_TRANSFORMERS = (  # scikit-learn's checks for its own transformers, in addition to check_estimator
    "get_feature_names_out_error",
    "transformer_get_feature_names_out",
    "transformer_get_feature_names_out_pandas",
    "set_output_transform",
    "set_output_transform_pandas",
    "set_output_transform_polars",
    "global_output_transform_pandas",
    "global_set_output_transform_polars",
    "dataframe_column_names_consistency",
    "n_features_in_after_fitting",
    "inplace_ensure_writeable",
)


@pytest.fixture(scope="module")
def fitted() -> AutoEncoder:
    """Fitted on iris, with a code of two numbers; must not be changed."""
    return AutoEncoder(2, random_state=0).fit(IRIS)


@parametrize_with_checks([CHECKED])
def test_scikit_learn(estimator: AutoEncoder, check: Any) -> None:
    assert check(estimator) is None


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names")  # they mix frames and arrays on purpose
@pytest.mark.parametrize("name", OF_TRANSFORMERS)
def test_scikit_learn_of_its_transformers(name: str) -> None:
    assert getattr(estimator_checks, f"check_{name}")("AutoEncoder", AutoEncoder(**QUICK)) is None


def test_no_check_is_left_out() -> None:
    tags = get_tags(AutoEncoder())
    assert not tags.no_validation
    assert not tags.non_deterministic
    assert not tags._skip_test
    assert tags.estimator_type == "outlier_detector"
    assert not tags.input_tags.sparse


def test_linear_networks_find_the_principal_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best linear autoencoder spans PCA's subspace (Baldi and Hornik 1989)."""
    monkeypatch.setattr(AutoEncoder, "_calibrate", lambda *given: None)  # no threshold: it takes three more models
    X = StandardScaler().fit_transform(IRIS)
    settings = {"weight_decay": 0.0, "activation": "linear"}
    linear = AutoEncoder(
        2, hidden=(), steps=1_500, batch_size=150, validation_fraction=0, random_state=0, settings=settings
    ).fit(X)
    pca = PCA(2).fit(X)
    ours, theirs = linear.inverse_transform(linear.transform(X)), pca.inverse_transform(pca.transform(X))
    # 1 %: the rate reaches zero after 1,500 steps, just before the minimum, which is PCA's
    assert ((X - theirs) ** 2).mean() <= ((X - ours) ** 2).mean() < 1.01 * ((X - theirs) ** 2).mean()
    assert_allclose(ours, theirs, atol=0.05)
    directions = linear.model_.decoder[0].weight.detach().numpy().T
    inside = directions @ pca.components_.T @ pca.components_
    assert_allclose(inside, directions, atol=0.02 * np.abs(directions).max())


def test_the_score_is_the_error_of_the_reconstruction(fitted: AutoEncoder) -> None:
    again = fitted.inverse_transform(fitted.transform(IRIS))
    scale = np.array(fitted.model_.preprocess.scale)
    assert_allclose(fitted.score(IRIS), -(((again - IRIS) * scale) ** 2).mean(), rtol=1e-4)  # x is float32 in between
    assert_array_equal(fitted.decision_function(IRIS), fitted.score_samples(IRIS) - fitted.offset_)
    assert_array_equal(fitted.predict(IRIS), np.where(fitted.decision_function(IRIS) < 0, -1, 1))
    assert (fitted.predict(IRIS) == -1).sum() == 15  # contamination 0.1 of 150


@pytest.mark.parametrize("contamination", [0.02, 0.3, 0.5])
def test_contamination_is_the_share_that_is_called_outliers(contamination: float) -> None:
    found = AutoEncoder(2, contamination=contamination, random_state=0, **QUICK).fit_predict(IRIS)
    assert (found == -1).sum() == round(contamination * 150)


@pytest.mark.parametrize("n", [30, 249, 2_500], ids=["few rows", "folds", "rows held out"])
def test_fault_104_of_new_rows_as_many_are_outliers_as_of_the_old(n: int) -> None:
    """Twenty columns of noise: 0.67 of new rows had errors above a threshold set on the 249 training rows."""
    X = np.random.default_rng(0).normal(size=(n + 2_000, 20))
    settings = {"steps": 200} if n > 2_000 else {}
    detector = AutoEncoder(contamination=0.1, random_state=0, **settings).fit(X[:n])
    # four standard errors of a quantile of the rows that set it: all by folds, a tenth where those are 200 or more
    known = n if n < 2_000 else n // 10
    assert (detector.predict(X[n:]) == -1).mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / known))


def test_fault_104_a_row_of_the_training_data_is_judged_like_a_new_one() -> None:
    """What was memorized of the rows must not matter; with a change in the sixth digit, they count as new."""
    data = load_breast_cancer()
    X = data.data[data.target == 1]
    detector = AutoEncoder(random_state=0).fit(X[:249])
    new, old, changed = (detector.score_samples(rows) for rows in (X[249:], X[:249], X[:249] * (1 + 1e-6)))
    assert changed.mean() - old.mean() > 1  # nats that each row would gain from being a training row
    # two standard errors of the difference of two means of 108 and 249 rows
    assert old.mean() == pytest.approx(new.mean(), abs=2 * np.hypot(new.std() / np.sqrt(108), old.std() / np.sqrt(249)))
    assert_array_equal(detector.score_samples(X[5:6]), old[5:6])


def test_fault_104_copies_are_judged_by_a_model_that_saw_none_of_them() -> None:
    rows = np.repeat(np.arange(12), 3)
    for train, out in fold_rows(rows.astype(np.uint64), 3, seed=0):
        assert not set(rows[train]) & set(rows[out])
        assert len(train) + len(out) == 36
    left_out = np.concatenate([out for _, out in fold_rows(rows.astype(np.uint64), 3, seed=0)])
    assert sorted(left_out) == list(range(36))
    assert fold_rows(np.zeros(9, np.uint64), 3, seed=0) == []


def test_fault_101_of_a_few_rows_none_makes_a_new_one_an_outlier() -> None:
    """With n rows, no p-value is below 1 / (n + 1): 5 rows are too few for a share of 0.1."""
    rng = np.random.default_rng(0)
    new = rng.normal(size=(200, 4))
    for n, share in [(2, 0.1), (3, 0.5), (5, 0.1), (5, 0.5), (8, 0.1), (60, 0.01)]:
        detector = AutoEncoder(2, contamination=share, random_state=0, **QUICK)
        with pytest.warns(UserWarning, match=f"X has {n} distinct rows, too few to detect outliers at"):
            detector.fit(rng.normal(size=(n, 4)))
        assert detector.offset_ == -np.inf
        assert (detector.predict(new) == 1).all()
        assert np.isfinite(detector.score_samples(new)).all()


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_fault_101_outliers_are_those_with_a_p_value_of_at_most_the_share(share: float) -> None:
    rng = np.random.default_rng(1)
    detector = AutoEncoder(2, contamination=share, random_state=0, **QUICK).fit(rng.normal(size=(19, 4)))
    scores = detector.score_samples(rng.normal(size=(400, 4)) * 1.5)
    p = (1 + (detector._scores.scores <= scores[:, None]).sum(1)) / 20
    assert_array_equal(scores < detector.offset_, p <= share + 1e-9)
    assert (p <= share + 1e-9).any()


def test_fault_101_rows_as_normal_as_each_other_are_no_outliers() -> None:
    detector = AutoEncoder(2, random_state=0, **QUICK)
    with pytest.warns(UserWarning, match="X has 1 distinct row, too few"):
        assert (detector.fit(np.ones((20, 3))).predict(np.ones((20, 3))) == 1).all()
    X = np.random.default_rng(0).normal(size=(10, 3)).repeat(3, axis=0)
    assert (detector.fit(X).predict(X) == -1).sum() in {0, 3}  # a tenth of thirty, copies together


def test_what_does_not_fit_scores_lower() -> None:
    """Points next to a curved line in six dimensions, which contains the normal points."""
    rng = np.random.default_rng(0)
    t = rng.uniform(-2, 2, size=(500, 1))
    normal = np.hstack([np.sin(t * k) for k in (0.5, 1, 1.5)] + [np.cos(t * k) for k in (0.5, 1, 1.5)])
    normal += 0.02 * rng.normal(size=normal.shape)
    strange = normal[rng.permutation(500)[:100]][:, rng.permutation(6)] + 0.3 * rng.normal(size=(100, 6))
    detector = AutoEncoder(1, hidden=(32, 16), steps=400, random_state=0).fit(normal[:400])
    scores = detector.score_samples(np.vstack([normal[400:], strange]))
    assert roc_auc_score([1] * 100 + [0] * 100, scores) > 0.95


def test_in_a_pipeline_and_a_grid_search() -> None:
    y = load_iris().target
    pipeline = make_pipeline(AutoEncoder(random_state=0, hidden=(32,), steps=80), LogisticRegression(max_iter=1000))
    grid = {"autoencoder__z_size": np.array([1, 3]), "autoencoder__noise": [None, "gaussian:0.1"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(IRIS, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.85  # one of three classes by chance: 0.33
    best = search.best_estimator_.named_steps["autoencoder"]
    assert best.model_.config.z_size == search.best_params_["autoencoder__z_size"]
    assert search.predict(IRIS[:3]).shape == (3,)


def test_a_bare_grid_search_chooses_by_the_error() -> None:
    """A longer code reconstructs held-out rows better."""
    search = GridSearchCV(AutoEncoder(random_state=0, hidden=(32,), steps=80), {"z_size": [1, 2]}, cv=2).fit(IRIS)
    assert search.best_params_ == {"z_size": 2}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames_in_and_out(make: Any, fitted: AutoEncoder) -> None:
    names = ["a", "b", "c", "d"]
    frame = make(dict(zip(names, IRIS.T, strict=True)))
    kind = "pandas" if make is pd.DataFrame else "polars"
    estimator = AutoEncoder(2, random_state=0).set_output(transform=kind).fit(frame)
    codes = estimator.transform(frame)
    assert type(codes) is make
    assert list(codes.columns) == ["z0", "z1"]
    assert_array_equal(codes.to_numpy(), fitted.transform(IRIS))
    again = estimator.inverse_transform(codes)
    assert type(again) is make
    assert list(again.columns) == names == list(estimator.feature_names_in_)
    assert estimator.model_.preprocess.columns == tuple(names)
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.transform(frame[["b", "a", "c", "d"]])


def test_frames_keep_their_index(fitted: AutoEncoder) -> None:
    codes = pd.DataFrame(fitted.transform(IRIS[:2]), columns=["z0", "z1"], index=["first", "second"])
    again = fitted.inverse_transform(codes)
    assert list(again.index) == ["first", "second"]
    assert list(again.columns) == ["x0", "x1", "x2", "x3"]  # as scikit-learn calls features without names


def test_codes_of_another_width_are_refused(fitted: AutoEncoder) -> None:
    with pytest.raises(
        ValueError, match=r"Z has shape \(1, 3\), but codes of this AutoEncoder have shape \(n_samples, 2\)"
    ):
        fitted.inverse_transform(np.zeros((1, 3)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_types_are_kept(dtype: Any, fitted: AutoEncoder) -> None:
    codes = fitted.transform(IRIS.astype(dtype))
    assert codes.dtype == fitted.inverse_transform(codes).dtype == dtype


def test_a_sample_does_not_depend_on_those_beside_it(fitted: AutoEncoder) -> None:
    whole = fitted.transform(IRIS)
    one_by_one = np.vstack([fitted.transform(row[None]) for row in IRIS])
    assert_allclose(one_by_one, whole, rtol=1e-12, atol=1e-12)  # float64 inside


def test_the_model_gives_the_same_and_can_be_kept(fitted: AutoEncoder, tmp_path: Path) -> None:
    fitted.model_.save(tmp_path / "model")
    model = isthmus.load(tmp_path / "model")
    assert_allclose(model.encode(IRIS.astype(np.float32)), fitted.transform(IRIS), atol=1e-5)  # float32 against float64
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(IRIS), fitted.transform(IRIS))  # noqa: S301
    assert_array_equal(copy.deepcopy(fitted).transform(IRIS), fitted.transform(IRIS))


def test_random_state_decides(fitted: AutoEncoder) -> None:
    same = AutoEncoder(2, random_state=np.random.RandomState(3), steps=40).fit(IRIS).transform(IRIS)
    again = AutoEncoder(2, random_state=np.random.RandomState(3), steps=40).fit(IRIS).transform(IRIS)
    assert_array_equal(same, again)
    assert np.abs(same - fitted.transform(IRIS)).max() > 0.1


def test_nothing_is_left_or_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    X = IRIS.copy()
    with tiny.assert_global_generator_untouched():
        AutoEncoder(2, random_state=0, **QUICK).fit(X).transform(X)
    assert list(tmp_path.rglob("*")) == []
    assert capfd.readouterr() == ("", "")
    assert_array_equal(X, IRIS)


@pytest.mark.parametrize(("features", "z_size"), [(1, 1), (4, 2), (9, 4), (100, 32)])
def test_by_default_the_code_is_half_as_wide(features: int, z_size: int) -> None:
    X, _ = make_blobs(30, features, random_state=0)
    assert AutoEncoder(steps=1, hidden=(), random_state=0).fit_transform(X).shape == (30, z_size)
    assert AutoEncoder(features + 3, steps=1, random_state=0).fit_transform(X).shape == (30, features + 3)


def test_recipes_and_settings_are_those_of_the_package() -> None:
    estimator = AutoEncoder(2, recipe="seed", hidden=(8,), epochs=2, settings={"training.betas": (0.8, 0.9)}).fit(IRIS)
    config = estimator.model_.config
    assert (config.activation, config.bottleneck, config.hidden) == ("sigmoid", "sigmoid", (8,))
    assert estimator.transform(IRIS).min() >= 0
    assert [row["epoch"] for row in estimator.history_] == [1, 2]
    assert estimator.n_iter_ == 2 * 3  # 135 rows in batches of 64
    noisy = AutoEncoder(2, noise="gaussian:0.5", likelihood="laplace", **QUICK).fit(IRIS)
    assert (noisy.model_.config.noise, noisy.model_.config.likelihood) == ("gaussian:0.5", "laplace")


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"recipe": "modem"}, "did you mean 'modern'"),
        ({"settings": {"activtion": "relu"}}, "did you mean 'model.activation'"),
        ({"z_size": 0}, "model.z_size is 0, but must be at least 1"),
        ({"contamination": 0.0}, "contamination is 0.0"),
        ({"contamination": 0.51}, "contamination is 0.51"),
        ({"contamination": "auto"}, "contamination is 'auto'"),
        ({"validation_fraction": 0.6}, "validation_fraction is 0.6"),
        ({"validation_fraction": None}, "validation_fraction is None"),
        ({"device": "tpu"}, "training.device is 'tpu'"),
    ],
)
def test_parameters_that_cannot_be_meant(parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        AutoEncoder(**parameters).fit(IRIS)


def test_sparse_and_single_samples_are_refused_in_scikit_learns_words() -> None:
    from scipy.sparse import csr_array

    with pytest.raises(TypeError, match="Sparse data was passed"):
        AutoEncoder().fit(csr_array(IRIS))
    with pytest.raises(ValueError, match=r"1 sample\(s\).*minimum of 2 is required by AutoEncoder"):
        AutoEncoder().fit(IRIS[:1])


LAYOUTS = {
    "NCHW": lambda x: x,
    "NHW": lambda x: x[:, 0],
    "NHWC": lambda x: np.moveaxis(x, 1, -1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_in_every_layout(layout: str, digits: Digits) -> None:
    X = LAYOUTS[layout](digits.x[:60])
    estimator = AutoEncoder(6, hidden=(32,), steps=60, random_state=0).fit(X)
    assert estimator.model_.preprocess.shape == (1, 28, 28)
    assert estimator.model_.config.likelihood == "bernoulli"
    assert estimator.n_features_in_ == 784
    again = estimator.inverse_transform(estimator.transform(X))
    assert again.shape == X.shape
    assert again.max() > 100  # bytes come back as numbers up to 255
    expected = estimator.model_.reconstruct(digits.x[:60]).astype(float)
    assert np.abs(again.reshape(-1, 784) - expected.reshape(-1, 784)).max() <= 0.51  # it rounds to whole bytes
    assert_array_equal(estimator.transform(X.reshape(60, -1)), estimator.transform(X))
    with pytest.raises(ValueError, match="but fit was given samples of shape"):
        estimator.transform(X[:, :, :14])


def test_rows_of_pixels_are_images_where_a_shape_is_given(digits: Digits) -> None:
    rows, settings = digits.x[:60].reshape(60, -1).astype(float), {"shape": "28x28"}
    estimator = AutoEncoder(6, hidden=(32,), steps=60, random_state=0, settings=settings).fit(rows)
    assert estimator.model_.preprocess.is_image
    pictures = AutoEncoder(6, hidden=(32,), steps=60, random_state=0).fit(digits.x[:60])
    assert_allclose(estimator.transform(rows), pictures.transform(digits.x[:60]), atol=1e-9)
    assert estimator.inverse_transform(estimator.transform(rows)).shape == (60, 784)
    table = AutoEncoder(6, hidden=(32,), steps=1, random_state=0).fit(rows)
    assert not table.model_.preprocess.is_image


def test_parameters_are_stored_and_cloned() -> None:
    estimator = AutoEncoder(3, settings={"activation": "tanh"}, hidden=[4])
    assert clone(estimator).get_params() == estimator.get_params()
    assert repr(estimator) == "AutoEncoder(hidden=[4], settings={'activation': 'tanh'}, z_size=3)"


def test_fault_90_a_large_offset_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2)) * [1444, 1]
    offset = np.array([1.7e9, 0])
    plain, moved = (AutoEncoder(z_size=1, steps=50, random_state=0).fit(data) for data in (X, X + offset))
    assert moved.transform(X + offset) == pytest.approx(plain.transform(X), abs=1e-3)  # of codes about 1; 50 steps
    assert moved.score(X + offset) == pytest.approx(plain.score(X), rel=1e-3)
    Z = plain.transform(X)
    again = moved.inverse_transform(Z) - offset
    assert again == pytest.approx(plain.inverse_transform(Z), rel=1e-3, abs=1e-3 * 1444)
