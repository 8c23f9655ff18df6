from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from torch import nn

import tiny
from faulty import full_after
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import DataError, ResourceError, UsageError
from isthmus.models.autoencoder import Model
from isthmus.models.loading import load_model
from isthmus.randomness import generator_for
from isthmus.training.prepare import fresh_model


@pytest.fixture(scope="module")
def model(digits: tiny.Digits) -> Model:
    """A trained denoiser of digits, with dropout."""
    trainer = tiny.trainer(tiny.prepared(digits.samples, epochs=2, noise="gaussian:0.3", dropout=0.1))
    tiny.run(trainer)
    return trainer.model


@pytest.fixture(scope="module")
def table_model() -> Model:
    """A model of a table of three columns."""
    samples = pl.DataFrame({name: tiny.table()[:, i] for i, name in enumerate("abcdef")})
    from isthmus.data.samples import Samples

    ready = tiny.prepared(Samples(samples.to_numpy(), "t", columns=tuple(samples.columns), label_column="y"))
    return tiny.trainer(ready).model


def test_use_is_deterministic_leaves_the_model_as_it_was_and_draws_nothing(model: Model, digits: tiny.Digits) -> None:
    model.train()
    model.encoder[1].eval()
    before, modes = tiny.weights(model), [m.training for m in model.modules()]
    x = digits.x[:7]
    with tiny.assert_global_generator_untouched():
        first = model.encode(x), model.reconstruct(x), model.denoise(x), model.decode(model.encode(x))
        again = model.encode(x), model.reconstruct(x), model.denoise(x), model.decode(model.encode(x))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert [m.training for m in model.modules()] == modes
    tiny.assert_equal_weights(tiny.weights(model), before)


def test_reconstruct_is_decode_after_encode_and_denoise_the_same_pass(model: Model, digits: tiny.Digits) -> None:
    x = digits.x[:7]
    assert np.array_equal(model.decode(model.encode(x)), model.reconstruct(x))
    assert np.array_equal(model.denoise(x), model.reconstruct(x))


def test_many_samples_give_what_each_alone_gives(
    model: Model, digits: tiny.Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = model.encode(digits.x[:50])
    monkeypatch.setattr("isthmus.data.batching.batches.CHUNK", 7)
    assert model.encode(digits.x[:50]) == pytest.approx(together, abs=1e-5)
    alone = np.concatenate([model.encode(x) for x in digits.x[:50]])
    assert alone == pytest.approx(together, abs=1e-5)  # float32 sums in other blocks


@pytest.mark.parametrize(
    "make",
    [lambda x: x, lambda x: x[:, 0], lambda x: x.reshape(-1, 784), lambda x: x.astype(np.int64), torch.from_numpy],
)
def test_every_kind_of_input_gives_the_same_codes_and_comes_back_as_it_came(
    make: Any, model: Model, digits: tiny.Digits
) -> None:
    given = make(digits.x[:7].copy())
    z, x_hat = model.encode(given), model.reconstruct(given)
    assert np.asarray(z) == pytest.approx(model.encode(digits.x[:7]), abs=1e-5)
    assert type(z) is type(x_hat) is type(given)
    assert (x_hat.shape, x_hat.dtype) == (given.shape, given.dtype)
    reference = model.reconstruct(digits.x[:7]).astype(int)
    assert np.abs(np.asarray(x_hat).astype(int).reshape(reference.shape) - reference).max() <= 1  # rounding to bytes


def test_bytes_and_floats_are_the_same_image(model: Model, digits: tiny.Digits) -> None:
    x = digits.x[:7]
    floats = model.reconstruct(x.astype(np.float64) / 255)
    assert floats.dtype == np.float64
    assert np.rint(255 * floats) == pytest.approx(model.reconstruct(x), abs=1)
    wide = model.reconstruct(x.astype(np.uint16) * 257)
    assert wide / 257 == pytest.approx(model.reconstruct(x), abs=1)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_frames_go_through_the_code_and_back(make: Any, table_model: Model) -> None:
    values = {name: tiny.table(9)[:, i] for i, name in enumerate("abcdef")}
    frame = make({name: values[name] for name in "fedcba"})
    z = table_model.encode(frame)
    assert list(z.columns) == ["z0", "z1", "z2", "z3"]
    back = table_model.decode(z)
    assert type(back) is type(frame)
    assert list(back.columns) == list("abcdef")
    assert back.to_numpy() == pytest.approx(table_model.reconstruct(tiny.table(9)), rel=1e-5)
    assert table_model.reconstruct(frame).to_numpy() == pytest.approx(back.to_numpy(), rel=1e-5)


def test_codes_may_be_lists_or_one_alone(model: Model, digits: tiny.Digits) -> None:
    z = model.encode(digits.x[:2])
    assert np.array_equal(model.decode(z.tolist()), model.decode(z))
    assert np.array_equal(model.decode(z[0]), model.decode(z)[:1])
    assert model.decode(z.astype(np.float64)).dtype == np.uint8
    assert torch.equal(model.decode(torch.from_numpy(z)), torch.from_numpy(model.decode(z)))


@pytest.mark.parametrize(
    "z", [np.zeros((2, 3)), np.zeros((2, 4, 1)), np.full((2, 4), np.nan), pl.DataFrame({"z0": [1.0]})]
)
def test_codes_of_another_size_are_refused(z: Any, model: Model) -> None:
    with pytest.raises(DataError):
        model.decode(z)


def test_nothing_gives_nothing(model: Model) -> None:
    assert model.encode(np.zeros((0, 28, 28), np.uint8)).shape == (0, 4)
    assert model.reconstruct(np.zeros((0, 28, 28), np.uint8)).shape == (0, 28, 28)
    assert model.decode(np.zeros((0, 4))).shape == (0, 1, 28, 28)


def test_a_model_that_saw_no_noise_does_not_pretend_to_denoise(table_model: Model) -> None:
    with pytest.raises(UsageError, match="was not trained on noisy input") as caught:
        table_model.denoise(tiny.table(3))
    assert "--noise gaussian:0.5" in str(caught.value.fix)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_output_starts_at_the_mean_image(likelihood: str, digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, likelihood=likelihood, output_bias="mean")
    mean = ready.mean
    assert mean.numpy() == pytest.approx(ready.splits.train.x.mean(0) / 255, abs=1e-6)
    model = fresh_model(ready)
    bias = model.decoder[-2].bias.detach().reshape(1, 28, 28)
    started = model.likelihood.mean(bias).numpy()
    lowest = 0.001 if likelihood == "bernoulli" else 0
    assert started == pytest.approx(np.clip(mean.numpy(), lowest, 1 - lowest), abs=1e-5)
    assert bool((fresh_model(tiny.prepared(digits.samples, output_bias="zero")).decoder[-2].bias == 0).all())


def test_fresh_weights_come_from_the_generator(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples)
    with tiny.assert_global_generator_untouched():
        first = tiny.weights(fresh_model(ready))
    tiny.assert_equal_weights(tiny.weights(fresh_model(ready)), first)
    other = fresh_model(ready).initialize(generator_for(1, "weights"))
    assert not torch.equal(tiny.weights(other)["encoder.1.0.weight"], first["encoder.1.0.weight"])


def test_saved_files_hold_no_code_and_say_what_they_are(model: Model, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    assert sorted(path.name for path in folder.iterdir()) == ["MANIFEST.json", "config.json", "model.safetensors"]
    about = json.loads((folder / "config.json").read_text())
    assert (about["format"], about["module"], about["model"]["network"]) == (1, None, "mlp")
    assert about["preprocess"]["shape"] == [1, 28, 28]


def test_fault_65_a_model_can_be_saved_onto_its_own_file(model: Model, tmp_path: Path) -> None:
    loaded = load_model(model.save(tmp_path / "model"))
    again = load_model(loaded.save(tmp_path / "model"))
    tiny.assert_equal_weights(tiny.weights(again), tiny.weights(model))


def test_fault_52_a_full_disk_leaves_the_old_model(model: Model, table_model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    with full_after(2_000), pytest.raises(ResourceError, match="model cannot be written: File too large"):
        table_model.save(tmp_path / "model")
    tiny.assert_equal_weights(tiny.weights(load_model(tmp_path / "model")), tiny.weights(model))


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_our_networks_end_in_no_sigmoid_so_they_give_no_probabilities(network: str) -> None:
    config = tiny.config(likelihood="bernoulli,output=probabilities", network=network, hidden=[16, 32]).model
    with pytest.raises(UsageError, match=f"network {network} does not end in a sigmoid") as caught:
        Model(config, Preprocess((1, 32, 32), "uint8", range=(0.0, 1.0)))
    assert caught.value.fix == "pass --loss bernoulli"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bottleneck": "gaussian"}, "the bottleneck 'gaussian' needs 8 values, but Halves returns 4"),
        ({"likelihood": "gaussian,variance=learned"}, "needs 12 values, but Halves returns 6"),
    ],
)
def test_parts_that_need_more_than_a_module_of_ones_own_gives_are_refused(settings: dict, message: str) -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.Linear(6, 4), nn.Linear(4, 6)

    with pytest.raises(UsageError, match=message):
        tiny.trainer(tiny.prepared(tiny.table(), **settings), own=Halves())


@pytest.mark.parametrize(
    ("settings", "normal"), [({"bottleneck": "gaussian"}, True), ({"terms": "l2+mmd"}, True), ({}, False)]
)
def test_codes_come_from_the_prior_of_the_code_or_of_a_term(settings: dict, normal: bool) -> None:
    model = tiny.trainer(tiny.prepared(tiny.table(), **settings)).model
    if not normal:
        with pytest.raises(UsageError, match="the bottleneck 'identity' has no prior to sample from"):
            model.sample_prior(3, torch.Generator().manual_seed(0))
        return
    z = model.sample_prior(20_000, torch.Generator().manual_seed(0))
    assert z.mean(0).tolist() == pytest.approx([0.0] * 4, abs=0.03)  # a mean of 20,000 draws errs by 0.007
    assert z.std(0).tolist() == pytest.approx([1.0] * 4, abs=0.02)
