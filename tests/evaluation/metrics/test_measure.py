from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

import tiny
from isthmus.evaluation.metrics.forward_pass import TEST_NOISE, pass_through
from isthmus.evaluation.metrics.measure import denoising, denoising_by_error, rivals_of
from isthmus.evaluation.verdicts import judge as judging
from isthmus.evaluation.verdicts.verdicts import headline
from isthmus.parts.corruptions import corruption
from isthmus.randomness import generator_for
from isthmus.training.prepare import fresh_model
from isthmus.training.prepared import Prepared

ENDING = {"epochs": 1, "best_epoch": 1, "mean_cost": 1.0}


def ready(n: int = 400, **settings: object) -> Prepared:
    return tiny.prepared(tiny.table(n), **({"noise": "gaussian:0.5"} | settings))


def test_a_tables_denoiser_is_measured_beside_the_best_linear_filter_and_the_mean() -> None:
    prepared = ready(epochs=3)
    trainer = tiny.trainer(prepared)
    tiny.run(trainer)
    model, splits = trainer.model, prepared.splits
    train, test = prepared.tensor(splits.train), prepared.tensor(splits.test)
    passed = pass_through(model, test, 0)
    block = denoising_by_error(model, prepared, passed)
    noisy = corruption("gaussian:0.5", None)(test, generator_for(0, TEST_NOISE, "noise")).x_in
    assert block["noisy"]["mse"] == pytest.approx(float((noisy - test).square().mean()), rel=1e-5)
    assert block["denoised"]["mse"] == pytest.approx(
        float((model.x_hat(noisy).detach() - test).square().mean()), rel=1e-4
    )
    expected = float((train.mean(0) - test).square().mean())
    assert block["baselines"]["mean"]["mse"] == pytest.approx(expected, rel=1e-5)
    rng = np.random.default_rng(0)
    many = np.repeat(train.double().numpy(), 200, 0)
    best = LinearRegression().fit(many + 0.5 * rng.normal(size=many.shape), many)
    expected = float(((best.predict(noisy.numpy()) - test.numpy()) ** 2).mean())
    assert block["baselines"]["linear"]["mse"] == pytest.approx(expected, rel=0.05)  # other noise, fewer rows
    assert (block["noise"], block["n"]) == ("gaussian:0.5", 40)
    assert set(block["baselines"]["linear"]["settings"]) == {"ridge"}


@pytest.mark.parametrize("noise", ["masking:0.3", "gaussian:0.1-0.6"])
def test_metrics_and_headline_of_a_tables_denoiser_speak_of_noise(noise: str) -> None:
    prepared = ready(noise=noise)
    model = tiny.trainer(prepared).model
    metrics = judging.judge(prepared, model, [], ENDING)
    block = metrics["denoising"]
    assert block["noise"] == noise
    assert "estimates" not in block  # the noise of a row cannot be told from the row
    assert block["baselines"]["linear"]["mse"] < min(block["noisy"]["mse"], block["baselines"]["mean"]["mse"])
    learned = metrics | {"test": {"mse": block["baselines"]["mean"]["mse"] / 2}}  # an untrained one is told otherwise
    told = headline(metrics["verdicts"], learned)
    numbers = f"goes from {block['noisy']['mse']:.3g} to {block['denoised']['mse']:.3g}"
    assert numbers in told
    assert f"with the best linear filter to {block['baselines']['linear']['mse']:.3g}" in told
    ids = [verdict["id"] for verdict in metrics["verdicts"]]
    assert "denoiser-beats-filter" in ids
    assert "beats-pca" not in ids


def test_images_without_a_known_range_are_measured_like_tables(digits: tiny.Digits) -> None:
    prepared = tiny.prepared(digits.x[:80, :, 6:22:2, 6:22:2].copy(), noise="gaussian:0.5", scale="standard")
    block = judging.judge(prepared, tiny.trainer(prepared).model, [], ENDING)["denoising"]
    assert block["noisy"].keys() == {"mse"}
    assert block["baselines"].keys() == {"linear", "mean"}


@pytest.mark.parametrize("side", [8, 36])
def test_denoised_images_stand_beside_a_learned_filter_a_blur_and_doing_nothing(side: int, digits: tiny.Digits) -> None:
    x = np.pad(digits.x[:120], [(0, 0), (0, 0), (4, 4), (4, 4)])[:, :, :: 36 // side, :: 36 // side][..., :side, :side]
    prepared = tiny.prepared(x.copy(), noise="gaussian:0.5")
    block = judging.judge(prepared, tiny.trainer(prepared).model, [], ENDING)["denoising"]
    found = block["baselines"]
    assert {"linear", "blur", "median"} <= found.keys()
    # noise cut to [0, 1] lifts a black ground by 0.2, which only what is learned takes off
    assert found["linear"]["psnr_db"] > max(found["blur"]["psnr_db"], block["noisy"]["psnr_db"]) + 1
    assert (found["linear"]["settings"]["window"] == "whole") <= (side == 8)


def test_without_training_images_there_is_no_learned_filter(digits: tiny.Digits) -> None:
    prepared = tiny.prepared(digits.x[:80].copy(), noise="gaussian:0.5")
    model, splits = tiny.trainer(prepared).model, prepared.splits
    passed = pass_through(model, prepared.tensor(splits.test), 0)
    block = denoising(model, prepared.tensor(splits.train)[:0], prepared.x(splits.validation), passed, 0)
    assert "linear" not in block["baselines"]
    assert "blur" in block["baselines"]


def test_a_plain_autoencoder_has_no_such_block() -> None:
    prepared = ready(noise="none")
    assert "denoising" not in judging.judge(prepared, tiny.trainer(prepared).model, [], ENDING)


def test_components_that_the_layers_started_at_are_the_baseline_and_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (60, 1, 20, 20), dtype=np.uint8)
    settings = {"network": "conv,shortcut=true", "likelihood": "gaussian", "hidden": [4], "z_size": 5}
    prepared = tiny.prepared(x, **settings)
    fresh_model(prepared)
    monkeypatch.setattr("isthmus.evaluation.metrics.baselines.fit_rivals", None)  # to call it would be an error
    rivals = rivals_of(prepared, 5)
    train, test = (prepared.x(part).flatten(1) for part in (prepared.splits.train, prepared.splits.test))
    known = PCA(5).fit(train.double().numpy())
    expected = known.inverse_transform(known.transform(test.double().numpy())).clip(0, 1)
    found = rivals.x_hat(test, (0.0, 1.0)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert rivals.n_components == 5
