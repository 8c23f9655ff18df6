from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import tiny
from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError, UsageError
from isthmus.runs.artifacts import Artifacts
from isthmus.runs.latent import MOST_CODES, Latent, Moments, keep_latent, spread_rows
from isthmus.training import prepare, prepared

LABELS = np.array([0, 1, 2, 1] * 30)


@pytest.fixture(scope="module")
def ready() -> prepared.Prepared:
    return tiny.prepared(Samples(tiny.table(), "tiny", labels=LABELS, classes=("a", "b", "c")))


@pytest.fixture(scope="module")
def model(ready: prepared.Prepared) -> prepare.Model:
    return prepare.fresh_model(ready)


def saved(path: Path, model: prepare.Model) -> Path:
    model.save(path / "model")
    return path


def test_moments_are_those_of_numpy(ready: prepared.Prepared, model: prepare.Model) -> None:
    found, train = Latent.build(ready, model), ready.splits.train
    z = model.encode(train.x).astype(np.float64)
    assert found.n == len(train)
    np.testing.assert_allclose(found.mean, z.mean(0), atol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(z.T), atol=1e-12)
    np.testing.assert_allclose(found.std, z.std(0, ddof=1), atol=1e-12)
    parts = [z[train.labels == k] for k in range(3)]
    np.testing.assert_allclose(found.class_means, [part.mean(0) for part in parts], atol=1e-12)
    pooled = sum(np.cov(part.T) * (len(part) - 1) for part in parts) / (len(z) - 3)
    assert found.class_covariance is not None
    np.testing.assert_allclose(found.class_covariance, pooled, atol=1e-12)
    assert found.class_counts.tolist() == [len(part) for part in parts]


def test_moments_of_chunks_far_from_zero_keep_their_digits() -> None:
    z = np.random.default_rng(0).normal(1e5, 1e-2, (900, 3)).astype(np.float32)
    labels = np.arange(900) % 4 - 1  # a quarter without a class
    moments = Moments(3, 4)  # the fourth class has no sample
    for start in range(0, 900, 200):
        moments.add(z[start : start + 200], labels[start : start + 200])
    np.testing.assert_allclose(moments.covariance, np.cov(z.T.astype(np.float64)), rtol=1e-6, atol=1e-12)
    assert moments.class_counts.tolist() == [225, 225, 225, 0]
    np.testing.assert_allclose(moments.class_means[1], z[labels == 1].mean(0, dtype=np.float64), rtol=1e-12)
    assert np.isnan(moments.class_means[3]).all()


def test_codes_are_those_of_their_rows(ready: prepared.Prepared, model: prepare.Model) -> None:
    found, train = Latent.build(ready, model), ready.splits.train
    assert train.labels is not None
    np.testing.assert_array_equal(found.codes, model.encode(train.x[found.rows]))
    np.testing.assert_array_equal(found.labels, train.labels[found.rows])
    assert found.ids == tuple(train.id_of(int(row)) for row in found.rows)
    assert found.codes.dtype == np.float32


def test_at_most_ten_thousand_rows_are_kept_evenly_over_the_classes() -> None:
    labels = np.repeat([0, 1, 2], [20_000, 9_000, 500])
    rows = spread_rows(len(labels), labels, seed=0)
    assert len(rows) == MOST_CODES
    assert np.bincount(labels[rows]).tolist() == [4_750, 4_750, 500]
    assert (np.diff(rows) > 0).all()
    assert spread_rows(12, None, seed=0).tolist() == list(range(12))


def test_what_was_written_is_what_is_loaded(tmp_path: Path, ready: prepared.Prepared, model: prepare.Model) -> None:
    built = keep_latent(saved(tmp_path, model), ready, model)
    assert built is not None
    loaded = Latent.load(tmp_path)
    for name in built._shapes():
        np.testing.assert_array_equal(getattr(loaded, name), getattr(built, name))
    assert (loaded.n, loaded.ids, loaded.classes) == (built.n, built.ids, built.classes)


def test_data_without_labels_has_no_classes(tmp_path: Path) -> None:
    ready = tiny.prepared(tiny.table())
    model = prepare.fresh_model(ready)
    keep_latent(saved(tmp_path, model), ready, model)
    loaded = Latent.load(tmp_path)
    assert (loaded.labels, loaded.class_covariance, loaded.classes) == (None, None, ())
    assert loaded.class_means.shape == (0, 4)


def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path, model: prepare.Model) -> None:
    shapes = {"mean": (4,), "covariance": (4, 3), "class_means": (0, 4), "class_counts": (0,)}
    arrays = {name: np.zeros(shape) for name, shape in (shapes | {"codes": (1, 4), "rows": (1,)}).items()}
    artifacts = Artifacts(saved(tmp_path, model))
    artifacts.put("codes", {"n": 1, "ids": ["0"], "classes": []}, arrays)
    with pytest.raises(ModelFileError, match=r"covariance has the shape \(4, 3\) instead of \(4, 4\)"):
        Latent.load(tmp_path)
    artifacts.put("codes", {"n": 1, "ids": ["0"], "classes": []}, {"mean": np.zeros(4)})
    with pytest.raises(ModelFileError, match="missing 5 required"):
        Latent.load(tmp_path)


class OnlyForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def test_a_model_without_a_code_keeps_nothing_and_says_why(tmp_path: Path, ready: prepared.Prepared) -> None:
    own = prepare.fresh_model(ready, OnlyForward())
    assert keep_latent(tmp_path, ready, own) is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="OnlyForward has only a forward method"):
        Latent.build(ready, own)


def test_a_code_too_long_for_a_covariance_is_refused(ready: prepared.Prepared) -> None:
    long = replace(ready, config=replace(ready.config, model=replace(ready.config.model, z_size=2_049)))
    with pytest.raises(UsageError, match="2,049 numbers is too long"):
        Latent.build(long, prepare.fresh_model(long))
