from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

import isthmus
import tiny
from isthmus.api import Run
from isthmus.data.batching.encoding import Encoding
from isthmus.data.objects import read_object
from isthmus.errors import ModelFileError
from isthmus.runs import linear_fill as module
from isthmus.runs.artifacts import Artifacts
from isthmus.runs.fill_errors import PART, SHARES, fill_errors, linear_fill, measured
from isthmus.runs.linear_fill import RIDGE, LinearFill


def rows_with_gaps(n: int = 400) -> np.ndarray:
    """Six columns made of three, with some gaps in the fourth."""
    x = np.array(tiny.table(n), np.float64)
    x[:: n // 10, 3] = np.nan
    return x


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("gaps")
    np.save(folder / "rows.npy", rows_with_gaps())
    return isthmus.train(folder / "rows.npy", out=folder / "run", **(tiny.FAST | {"epochs": 2}))


def encoded(raw: np.ndarray) -> tuple[torch.Tensor, Encoding]:
    ready = tiny.prepared(read_object(raw).train)
    encoding = ready.preprocess.encoding
    assert encoding is not None
    return ready.preprocess.to_x(torch.from_numpy(raw)), encoding


def test_what_is_missing_is_told_as_by_ridge_regression_on_what_is_there() -> None:
    raw = np.array(tiny.table(500), np.float64)
    raw[0, 0] = np.nan
    x, encoding = encoded(raw)
    x = x[1:]
    linear = LinearFill.fit(x, encoding)
    assert linear is not None
    hidden = torch.zeros(len(x), 6, dtype=torch.bool)
    hidden[:, 2] = True
    found = linear.x_hat(encoding.hidden(x, hidden), encoding)[:, encoding.places[2]][:, 0]
    values = x[:, ~torch.tensor(encoding.flags)].double().numpy()
    others = np.delete(values, 2, 1)
    known = Ridge(alpha=RIDGE * len(values)).fit(others, values[:, 2])
    np.testing.assert_allclose(found, known.predict(others), atol=1e-5)


def test_a_row_without_anything_gets_the_mean_and_what_is_there_stays() -> None:
    x, encoding = encoded(rows_with_gaps())
    linear = LinearFill.fit(x, encoding)
    assert linear is not None
    place = torch.tensor(encoding.flags).logical_not()
    none = encoding.hidden(x[:1], torch.ones(1, 6, dtype=torch.bool))
    np.testing.assert_allclose(linear.x_hat(none, encoding)[0, place], linear.mean, atol=1e-6)
    full = x[1:2]
    assert torch.equal(linear.x_hat(full, encoding)[:, place], full[:, place])


def test_of_very_many_columns_none_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 5)
    assert LinearFill.fit(*encoded(rows_with_gaps())) is None


def test_a_run_keeps_it_and_takes_it_where_it_fills_validation_cells_better(run: Run) -> None:
    kept = fill_errors(run.path, run.model.weights_sha256)
    assert {error.linear for error in kept.values()} <= set(SHARES)
    assert max(error.linear for error in kept.values()) > 0  # after two epochs the network knows less
    splits = run.prepared.splits
    alone = measured(run.model, splits.train, splits.validation)
    assert all(kept[name].error <= alone[name].error for name in kept)


def test_gaps_are_filled_by_the_mixture(run: Run) -> None:
    raw, truth = rows_with_gaps(), np.array(tiny.table(400), np.float64)
    gaps = np.isnan(raw)
    filled = np.asarray(run.impute(raw))
    assert np.array_equal(filled[~gaps], raw[~gaps])
    error = np.sqrt(np.square(filled[gaps] - truth[gaps]).mean())
    assert error < 0.5 * truth[:, 3].std()  # the column is a sum of three that the others tell


def test_one_of_another_size_is_refused(run: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(run.path, tmp_path / "run")
    part = Artifacts(copy, run.model.weights_sha256).get(PART)
    Artifacts(copy, run.model.weights_sha256).put(PART, part.about, {"mean": np.zeros(2), "covariance": np.eye(2)})
    with pytest.raises(ModelFileError, match="do not match the model's size"):
        linear_fill(copy, run.model)
