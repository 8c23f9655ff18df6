"""Layers that start at components give the linear code of scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

import tiny
from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.models.autoencoder import Model
from isthmus.parts.component_start import LOGITS, start_layers
from isthmus.parts.shortcuts import LinearCode
from isthmus.training.prepare import fresh_model

K = 3


def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(300, K)) * [3.0, 2.0, 1.0]) @ rng.normal(size=(K, 9)) + 0.5


def code_of(x: np.ndarray, k: int = K) -> LinearCode:
    found = PCA(k).fit(x)
    deviations = found.transform(x).std(0)
    given = (found.mean_, found.components_.T, deviations)
    return LinearCode(*(torch.from_numpy(np.ascontiguousarray(part)) for part in given))


def started(hidden: tuple[int, ...], activation: str, *, logits: bool = False, z_size: int = K) -> Model:
    likelihood = "bernoulli" if logits else "gaussian"
    config = ModelConfig(hidden=hidden, z_size=z_size, activation=activation, likelihood=likelihood, network="mlp")
    model = Model(config, Preprocess((9,), "float64")).double()
    x = rows()
    model.initialize(torch.Generator().manual_seed(0), None if logits else torch.from_numpy(x.mean(0)))
    for side in model.sides:  # without the units that start at random, the rest is exact
        for layer in (m for m in side.modules() if isinstance(m, nn.Linear)):
            nn.init.zeros_(layer.weight)
    start_layers(*model.sides, code_of(x), logits=logits)
    return model


@pytest.mark.parametrize("activation", ["silu", "gelu", "relu"])
@pytest.mark.parametrize("hidden", [(), (8,), (20, 6), (12, 10, 8)])
def test_code_and_output_are_those_of_pca(hidden: tuple[int, ...], activation: str) -> None:
    x, model = rows(), started(hidden, activation)
    found = PCA(K).fit(x)
    with torch.no_grad():
        z = model.encoder(torch.from_numpy(x))
        x_hat = model.decoder(z).numpy()
    scores = found.transform(x)
    np.testing.assert_allclose(z, scores / scores.std(0), atol=1e-6)
    np.testing.assert_allclose(x_hat, found.inverse_transform(scores), atol=1e-6)


def test_logits_rise_with_what_pca_adds_to_the_mean() -> None:
    x, model = rows(), started((8,), "silu", logits=True)
    found = PCA(K).fit(x)
    with torch.no_grad():
        logits = model.decoder(model.encoder(torch.from_numpy(x))).numpy()
    np.testing.assert_allclose(logits, LOGITS * (found.inverse_transform(found.transform(x)) - found.mean_), atol=1e-6)


def test_a_narrow_layer_carries_as_many_as_fit_and_a_longer_code_is_zero_beyond_them() -> None:
    x = torch.from_numpy(rows())
    with torch.no_grad():
        narrow = started((4,), "silu").encoder(x)  # two pairs
        longer = started((8,), "silu", z_size=5).encoder(x)
    assert [bool(column.any()) for column in narrow.T] == [True, True, False]
    assert [bool(column.any()) for column in longer.T] == [True, True, True, False, False]


def test_a_code_without_numbers_leaves_the_layers_as_drawn() -> None:
    model = Model(ModelConfig(hidden=(8,), z_size=2, likelihood="gaussian", network="mlp"), Preprocess((9,), "float32"))
    model.initialize(torch.Generator().manual_seed(0))
    before = tiny.weights(model)
    none = LinearCode(torch.zeros(9), torch.zeros(9, 0), torch.zeros(0))
    start_layers(*model.sides, none, logits=False)
    tiny.assert_equal_weights(tiny.weights(model), before)


def test_training_starts_below_the_mean_image_and_gray_images_take_it_by_themselves(digits: tiny.Digits) -> None:
    costs = {}
    for init in ("auto", "orthogonal"):
        ready = tiny.prepared(
            digits.samples, init=init, likelihood="bernoulli", hidden=[64], z_size=8, activation="silu"
        )
        model = fresh_model(ready)
        x = ready.x(ready.splits.train)
        with torch.no_grad():
            costs[ready.config.model.init] = float(model.likelihood.nll(model(x).params, x).mean())
    assert costs["components"] < 0.8 * costs["orthogonal"]


@pytest.mark.parametrize("other", [{"activation": "tanh"}, {"bottleneck": "gaussian"}, {"noise": "gaussian:0.2"}])
def test_other_parts_start_orthogonal_and_cannot_be_made_to_start_there(digits: tiny.Digits, other: dict) -> None:
    given = {"network": "mlp", "hidden": [16], "z_size": 4, "activation": "silu"} | other
    assert tiny.prepared(digits.samples, init="auto", **given).config.model.init == "orthogonal"
    ready = tiny.prepared(digits.samples, init="components", **given)
    if "noise" in other:  # it can, but was not tried
        assert fresh_model(ready).n_parameters
        return
    with pytest.raises(UsageError, match="--set init=components needs "):
        fresh_model(ready)
