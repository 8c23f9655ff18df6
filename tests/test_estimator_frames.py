"""`AutoEncoder` on typical data frames with names, booleans, dates and gaps."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from isthmus import AutoEncoder

N = 90
A = np.random.default_rng(0).normal(size=N)
CLASS = np.array(["tea", "rum", "milk"])[np.digitize(A, [-0.5, 0.5])]


def pandas_frame() -> pd.DataFrame:
    frame = pd.DataFrame({
        "size": A.round(2),
        "class": pd.Categorical(CLASS),
        "paid": A > 0,
        "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(N), unit="D"),
        "visits": pd.array((4 + 2 * A).clip(0).astype(int), dtype="Int64"),
    }, index=range(500, 500 + N))  # fmt: skip
    frame.loc[frame.index[::7], ["size", "visits"]] = pd.NA
    return frame


def polars_frame() -> pl.DataFrame:
    days = pl.Series(np.datetime64("2024-01-01", "us") + np.arange(N).astype("timedelta64[D]")).dt.date()
    frame = pl.DataFrame({"size": A.round(2), "class": CLASS.tolist(), "paid": A > 0, "day": days})
    return frame.with_columns(size=pl.when(pl.int_range(N) % 7 == 0).then(None).otherwise(pl.col("size")))


FRAMES: dict[str, Any] = {"pandas": pandas_frame(), "polars": polars_frame()}
BOTH = pytest.mark.parametrize("kind", FRAMES)


def small(**settings: Any) -> AutoEncoder:
    return AutoEncoder(3, hidden=(16,), steps=40, random_state=0, **settings)


@pytest.fixture(scope="module")
def fitted() -> dict[str, AutoEncoder]:
    return {kind: small().fit(frame) for kind, frame in FRAMES.items()}


@BOTH
def test_a_frame_goes_in_and_comes_back(fitted: dict[str, AutoEncoder], kind: str) -> None:
    X, estimator = FRAMES[kind], fitted[kind]
    Z = estimator.transform(X)
    assert (type(Z), Z.shape, Z.dtype) == (np.ndarray, (N, 3), np.float64)
    assert estimator.n_features_in_ == X.shape[1]
    assert estimator.feature_names_in_.tolist() == list(X.columns)  # "class" is a column like all others
    assert estimator.get_feature_names_out().tolist() == ["z0", "z1", "z2"]
    assert np.isfinite(estimator.score_samples(X)).all()
    assert set(estimator.predict(X)) <= {-1, 1}
    back = estimator.inverse_transform(Z)
    assert type(back) is type(X)
    assert list(back.dtypes) == list(X.dtypes)
    np.testing.assert_allclose(Z[:5], estimator.transform(X[:5]), rtol=1e-9)


@BOTH
@pytest.mark.parametrize("output", FRAMES)
def test_codes_come_in_the_library_that_is_asked_for(fitted: dict[str, AutoEncoder], kind: str, output: str) -> None:
    X = FRAMES[kind]
    estimator = copy.deepcopy(fitted[kind]).set_output(transform=output)
    Z = estimator.transform(X)
    assert type(Z) is type(FRAMES[output])
    assert list(Z.columns) == ["z0", "z1", "z2"]
    np.testing.assert_array_equal(Z.to_numpy(), fitted[kind].transform(X))
    back = estimator.inverse_transform(Z)
    assert type(back) is type(Z)
    if output == "pandas":
        assert list(back.index) == list(X.index if kind == "pandas" else range(N))


def test_in_a_pipeline_and_in_cross_validation() -> None:
    model = make_pipeline(AutoEncoder(4, hidden=(16,), steps=150, random_state=0), LogisticRegression())
    assert cross_val_score(clone(model), FRAMES["pandas"], A > 0, cv=2).mean() > 0.8  # given by a column
    assert (cross_val_score(small(), FRAMES["polars"], cv=2) < 0).all()


def test_gaps_cost_nothing_in_the_score(fitted: dict[str, AutoEncoder]) -> None:
    estimator, X = fitted["polars"], FRAMES["polars"]
    rows = X.filter(pl.col("size").is_null())
    found = estimator.score(rows)
    known, x = estimator.model_.preprocess, estimator._x(estimator._rows(rows)[0])
    x_hat = estimator.model_.x_hat(x).detach()
    wrong = (known.evened(x_hat - x).square().sum(1) / 4).mean()  # with the gaps of `size`, whose x is 0
    at = known.encoding.places[0]  # type: ignore[union-attr]
    assert found == pytest.approx(-float(wrong - (x_hat - x)[:, at].square().sum(1).mean() / 4), rel=1e-4)


def test_numbers_with_gaps_are_taken_from_a_frame_and_not_from_an_array() -> None:
    X = pd.DataFrame({"a": A, "b": 2 * A + 0.1, "c": -A})
    X.loc[::5, "b"] = np.nan
    assert small().fit(X).transform(X).shape == (N, 3)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        small().fit(X.to_numpy())


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_fault_149_what_is_said_of_columns_of_numbers_is_done_in_a_frame(make) -> None:
    X = make({"a": np.where(np.arange(N) % 9, np.round(10 * A), -999.0), "b": np.arange(N) % 3})
    estimator = AutoEncoder(1, steps=5, settings={"null_values": ["a=-999"], "kinds": ["b=category"]}).fit(X)
    schema = estimator.model_.preprocess.schema
    assert schema is not None
    assert [(column.kind, column.nulls) for column in schema.columns] == [("number", ("-999",)), ("category", ())]
    back = estimator.inverse_transform(estimator.transform(X))
    assert min(back["a"]) > -999
    assert set(back["b"]) <= {0, 1, 2}


@pytest.mark.parametrize("settings", [{"null_values": ["-999"]}, {"kinds": ["0=number"]}, {"scale": "quantile"}])
def test_fault_174_arrays_whose_columns_have_kinds_are_used_as_they_were_fitted(settings: dict[str, Any]) -> None:
    X = np.stack([A, np.where(np.arange(N) % 9, 10 * A, -999.0)], 1)
    of_array, of_frame = (
        AutoEncoder(1, steps=5, random_state=0, settings=settings).fit(given)
        for given in (X, pl.DataFrame(X, ["0", "1"]))
    )
    given, frame = X, pl.DataFrame(X, ["0", "1"])
    np.testing.assert_allclose(of_array.transform(given), of_frame.transform(frame))
    np.testing.assert_allclose(of_array.score_samples(given), of_frame.score_samples(frame))
    back = of_array.inverse_transform(of_array.transform(given))
    assert isinstance(back, np.ndarray)
    np.testing.assert_allclose(back, of_frame.inverse_transform(of_frame.transform(frame)), atol=0.01)
    assert "null_values" not in settings or back.min() > -999


def test_what_is_wrong_is_said_as_scikit_learn_does(fitted: dict[str, AutoEncoder]) -> None:
    X = FRAMES["pandas"]
    with pytest.raises(ValueError, match="fit was given a data frame with columns of several kinds"):
        fitted["pandas"].transform(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="names"):
        fitted["pandas"].transform(X.drop(columns="paid"))
    wrong = X.astype({"size": object}).copy()
    wrong.loc[503, "size"] = "large"
    with pytest.raises(ValueError, match=r'row 4, column "size"(?s:.)*fix: '):
        fitted["pandas"].transform(wrong)
    with pytest.raises(ValueError, match="names"):
        fitted["pandas"].transform(X[list(X.columns)[::-1]])


def test_a_sparse_frame_is_refused_with_what_works() -> None:
    X = pd.DataFrame({"a": pd.arrays.SparseArray(A), "b": pd.arrays.SparseArray(-A)})
    with pytest.raises(TypeError, match=r"sparse columns.*X\.sparse\.to_dense\(\)"):
        small().fit(X)
    assert small().fit(X.sparse.to_dense()).n_features_in_ == 2
