"""The model in float64: the same results for one sample as for many."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import tiny
from isthmus.data.batching.preprocess import Preprocess
from isthmus.models.autoencoder import Model
from isthmus.models.loading import Double
from isthmus.randomness import generator_for


@pytest.fixture(scope="module")
def model() -> Model:
    """An untrained model for tables of six columns."""
    config = tiny.config(z_size=3, likelihood="gaussian").model
    preprocess = Preprocess((6,), "float32", offset=(1.0,) * 6, scale=(0.5,) * 6)
    return Model(config, preprocess).initialize(generator_for(0, "weights")).eval()


X = torch.from_numpy(tiny.table())


def test_it_gives_what_the_model_gives(model: Model) -> None:
    x, double = model.preprocess.to_x(X), Double(model)
    # 1e-5: a few hundred float32 roundings of 6e-8
    assert_allclose(double.codes(x), model.encode(X), atol=1e-5)
    assert_allclose(model.preprocess.to_raw(double.x_hat(double.codes(x))), model.reconstruct(X), atol=1e-5)
    expected = (model.preprocess.to_x(model.reconstruct(X)) - x).square().mean(1)
    assert_allclose(double.errors(x), expected, atol=1e-5)


def test_one_by_one_is_as_all_at_once(model: Model) -> None:
    x, double = model.preprocess.to_x(X), Double(model)
    for function in (double.codes, double.errors):
        apart = np.concatenate([function(row[None]).numpy() for row in x])
        assert_allclose(apart, function(x), rtol=1e-13, atol=1e-13)  # float64 rounds at 2e-16


def test_the_model_stays_as_it_is(model: Model) -> None:
    before = tiny.weights(model)
    model.train()
    assert Double(model).codes(model.preprocess.to_x(X)).dtype == torch.float64
    assert model.training
    model.eval()
    tiny.assert_equal_weights(tiny.weights(model), before)
