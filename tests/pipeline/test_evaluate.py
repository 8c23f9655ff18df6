"""Evaluating a trained run again: on its own test data, on other data, and without its training data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch.utils.data import TensorDataset

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import DataError, UsageError
from isthmus.pipeline import evaluate

OF_TRAINING = {"cost-never-fell", "stopped-too-early", "overfitting", "train-test-overlap"}


@pytest.fixture(scope="module")
def in_memory(digits: tiny.Digits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A denoiser that was trained on an array."""
    out = tmp_path_factory.mktemp("runs") / "memory"
    return isthmus.train(digits.x[:200], noise="gaussian:0.5", out=out, **tiny.FAST)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return pl.DataFrame({name: tiny.table(150)[:, i] for i, name in enumerate("abcdef")})


@pytest.fixture(scope="module")
def of_frame(frame: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return isthmus.train(frame, out=tmp_path_factory.mktemp("runs") / "frame", **tiny.FAST)


@pytest.fixture(scope="module")
def on_all(denoiser: Run, images: Path) -> dict[str, Any]:
    """The denoiser's output for the whole file."""
    return isthmus.evaluate(denoiser.path, images)


def test_the_cost_that_is_told_is_that_of_the_loaded_model(denoiser: Run, on_all: dict[str, Any]) -> None:
    best = min(validation for _, validation in tiny.costs_of(denoiser))
    assert denoiser.metrics["best_epoch"] == [v for _, v in tiny.costs_of(denoiser)].index(best) + 1
    again = isthmus.evaluate(denoiser.path)
    assert again["test"] == denoiser.metrics["test"]
    assert again["baselines"] == denoiser.metrics["baselines"]
    assert again["denoising"] == denoiser.metrics["denoising"]
    assert on_all["data"]["n_test"] == 200


def test_a_run_is_taken_as_well_as_its_folder_and_keeps_its_model(denoiser: Run) -> None:
    model = denoiser.model
    found = isthmus.evaluate(denoiser)
    assert found["test"] == denoiser.metrics["test"]
    assert denoiser.model is model
    assert model.device == torch.device("cpu")
    assert not model.training


@pytest.mark.parametrize("kind", ["array", "tensor", "dataset"])
def test_objects_of_python_are_measured_like_the_file_that_holds_them(
    kind: str, denoiser: Run, digits: tiny.Digits, on_all: dict[str, Any]
) -> None:
    x = digits.x[:200]
    data: Any = {"array": x, "tensor": torch.from_numpy(x), "dataset": TensorDataset(torch.from_numpy(x))}[kind]
    found = isthmus.evaluate(denoiser, data)
    assert found["test"] == on_all["test"]
    assert found["baselines"] == on_all["baselines"]
    seen = [v for v in found["verdicts"] if v["id"] in OF_TRAINING]
    assert [(v["id"], v["level"], "try" in v) for v in seen] == [("train-test-overlap", "fail", False)]
    assert "160 of 200 test images are also in the training set" in seen[0]["text"]  # it is what the run was trained on


def test_of_data_that_the_run_has_not_seen_nothing_is_said_of_training(denoiser: Run, digits: tiny.Digits) -> None:
    found = isthmus.evaluate(denoiser, 255 - digits.x[:50])
    assert not OF_TRAINING & {v["id"] for v in found["verdicts"]}


def test_the_data_it_was_trained_on_in_memory_gives_the_metrics_of_its_end(in_memory: Run, digits: tiny.Digits) -> None:
    found = isthmus.evaluate(in_memory.path, digits.x[:200])
    for block in ("test", "baselines", "denoising", "verdicts", "data"):
        assert found[block] == in_memory.metrics[block], block


def test_other_data_for_a_run_on_data_in_memory_is_measured_without_baselines(
    in_memory: Run, digits: tiny.Digits, tmp_path: Path
) -> None:
    others = digits.x[200:260]
    found = isthmus.evaluate(in_memory, others)
    assert found["data"]["n_test"] == 60
    assert found["baselines"] == found["denoising"]["baselines"] == {}
    assert "estimates" not in found["denoising"]
    assert {v["id"] for v in found["verdicts"]} >= {"dead-units", "denoiser-beats-filter"}
    assert not {v["id"] for v in found["verdicts"]} & (OF_TRAINING | {"beats-mean", "beats-pca"})
    np.save(tmp_path / "others.npy", others)
    assert isthmus.evaluate(in_memory, tmp_path / "others.npy")["test"] == found["test"]


def test_a_table_in_memory_is_matched_by_its_column_names(of_frame: Run, frame: pl.DataFrame) -> None:
    again = isthmus.evaluate(of_frame, frame)
    assert again["test"] == of_frame.metrics["test"]
    rows = frame[:40]
    found = isthmus.evaluate(of_frame, rows.select(reversed(rows.columns)))
    x = rows.to_numpy()
    scaled = [of_frame.model.preprocess.to_x(torch.from_numpy(v)) for v in (x, of_frame.model.reconstruct(x))]
    error = float((scaled[0] - scaled[1]).square().mean())
    assert found["test"]["mse"] == pytest.approx(error, rel=1e-4)  # float32
    with pytest.raises(DataError, match="f"):
        isthmus.evaluate(of_frame, rows.drop("f"))


def test_what_needs_the_data_is_refused_before_anything_is_read(
    in_memory: Run, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any, **__: Any) -> None:
        pytest.fail("data was read")

    for name in ("read_input", "read_object"):
        monkeypatch.setattr(evaluate, name, read)
    with pytest.raises(UsageError, match="was trained on data in memory, which is not saved with it") as caught:
        isthmus.evaluate(in_memory.path)
    assert "data=" in str(caught.value.fix)


def test_the_settings_of_a_run_on_data_in_memory_need_data_to_train_again(
    in_memory: Run, images: Path, tmp_path: Path
) -> None:
    config = in_memory.path / "config.toml"
    with pytest.raises(UsageError, match="from a run that was trained on data in memory") as caught:
        isthmus.train(config=config, out=tmp_path / "a", show=False)
    assert caught.value.fix == "name the data: `isthmus train DATA --config …`"
    assert not (tmp_path / "a").exists()
    run = isthmus.train(images, config=config, out=tmp_path / "b", show=False)
    tiny.assert_same_weights(run, in_memory)


def test_where_the_training_data_is_gone_only_the_baselines_are(copy: Path, images: Path, digits: tiny.Digits) -> None:
    away = images.rename(images.with_name("away.npy"))
    try:
        with pytest.raises(DataError, match="can no longer be read"):
            isthmus.evaluate(copy)
        found = isthmus.evaluate(copy, digits.x[:50])
    finally:
        away.rename(images)
    assert found["baselines"] == {}
    assert found["test"] == isthmus.evaluate(copy, digits.x[:50])["test"]
