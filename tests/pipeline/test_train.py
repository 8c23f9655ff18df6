"""From data to a judged run folder, and errors for invalid settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import DataError, FolderInUseError, ModelFileError, UsageError
from isthmus.pipeline import train
from tiny import FAST as SMALL
from tiny import Said


def test_a_run_leaves_all_that_was_promised(denoiser: Run) -> None:
    names = {path.name for path in denoiser.path.iterdir()}
    pictures = {"curves.png", "data.png", "sanity.png", "denoising.png", "worst.png", "architecture.svg"}
    files = {"config.toml", "run.json", "history.csv", "metrics.json", "model", "checkpoint"}
    assert pictures | files <= names
    assert not [name for name in names if name.startswith((".part", ".old"))]
    record = json.loads((denoiser.path / "run.json").read_text())
    assert (record["format"], record["ended"], record["seed"]) == (1, "budget", 0)
    assert {"versions", "hardware", "data_sha256", "started", "seconds", "command"} <= record.keys()


def test_fault_50_the_record_says_whether_the_same_seed_gives_the_same_weights(denoiser: Run) -> None:
    assert denoiser.record["deterministic"] is True  # on a CPU
    assert {"torch", "numpy", "python", "platform"} <= denoiser.record["versions"].keys()
    assert {"machine", "cores", "threads", "device"} <= denoiser.record["hardware"].keys()


def test_metrics_are_those_of_the_contract(denoiser: Run) -> None:
    metrics = json.loads((denoiser.path / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert (metrics["format"], metrics["recipe"], metrics["z_size"], metrics["epochs"]) == (1, "modern", 4, 3)
    assert (metrics["data"]["n_train"], metrics["data"]["n_validation"], metrics["data"]["n_test"]) == (160, 20, 20)
    assert metrics["parameters"] == 2 * 16 * 784 + 16 + 784 + 2 * 16 * 4 + 4 + 16
    assert {"bce", "bce_floor", "mse", "psnr_db", "ssim"} <= metrics["test"].keys()
    assert {"mse"} == metrics["baselines"]["mean"].keys()
    assert metrics["baselines"]["pca"]["n_components"] == 4
    assert {"noise", "n", "noisy", "denoised", "baselines"} <= metrics["denoising"].keys()
    assert {verdict["level"] for verdict in metrics["verdicts"]} <= {"pass", "warn", "fail"}
    assert metrics["test"]["bce"] > metrics["test"]["bce_floor"]


def test_a_finished_run_trains_again_as_it_is(denoiser: Run, tmp_path: Path) -> None:
    again = isthmus.train(config=denoiser.path / "config.toml", out=tmp_path / "again", show=False)
    tiny.assert_same_weights(again, denoiser)
    assert (again.path / "config.toml").read_text() == (denoiser.path / "config.toml").read_text()
    assert again.metrics["test"] == denoiser.metrics["test"]


def test_the_model_of_a_run_is_the_one_on_the_disk(denoiser: Run, digits: tiny.Digits) -> None:
    loaded = isthmus.load(denoiser.path)
    assert np.array_equal(denoiser.model.denoise(digits.x[:5]), loaded.denoise(digits.x[:5]))


def test_fault_58_an_existing_folder_is_left_alone(copy: Path, images: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(FolderInUseError, match="exists and is not empty"):
        isthmus.train(images, out=copy, **SMALL)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"noise": "loud:1"}, UsageError, "unknown noise 'loud'"),
        ({"noise": "gaussian"}, UsageError, "noise 'gaussian' needs a level"),
        ({"bottleneck": "waist"}, UsageError, "unknown bottleneck 'waist'"),
        ({"network": "web"}, UsageError, "unknown network 'web'"),
        ({"activation": "rleu"}, UsageError, "unknown activation 'rleu'"),
        ({"likelihood": "poisson"}, UsageError, "unknown likelihood 'poisson'"),
        ({"augment": "flip"}, UsageError, "unknown augmentation 'flip'"),
        ({"weights": {"kl": 1.0}}, UsageError, "there is no penalty 'kl'"),
        ({"z_siez": 3}, UsageError, "there is no setting 'z_siez'"),
        ({"recipe": "modren"}, UsageError, "unknown recipe 'modren'"),
        ({"device": "tpu"}, UsageError, "training.device is 'tpu', but must be 'auto', 'cpu', 'cuda' or 'mps'"),
        ({"validation": "/nowhere.npy"}, DataError, "nowhere.npy"),
    ],
)
def test_a_mistake_is_told_before_a_folder_is_made(
    settings: dict[str, Any], error: type, message: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        isthmus.train(images, **SMALL | settings)
    assert list(tmp_path.iterdir()) == []


class Notebook(nn.Module):
    def __init__(self, last: type[nn.Module] = nn.Sigmoid) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.encoder = nn.Sequential(nn.Linear(784, 16), nn.Sigmoid(), nn.Linear(16, 4))
            self.decoder = nn.Sequential(nn.Linear(4, 16), nn.Sigmoid(), nn.Linear(16, 784), last())


def test_a_module_of_ones_own_is_trained_judged_loaded_and_resumed(
    images: Path, digits: tiny.Digits, tmp_path: Path
) -> None:
    given = SMALL | {"out": tmp_path / "a", "output": "probabilities"}
    module = Notebook()
    run = isthmus.fit(module, images, **given)
    assert run.metrics["z_size"] == 4
    assert run.record["module"] == "Notebook"
    with torch.no_grad():
        expected = module.eval()
        x = torch.from_numpy(digits.x[:3]).flatten(1) / 255
        x_hat = expected.decoder(expected.encoder(x)).reshape(3, 1, 28, 28)
    assert run.model.reconstruct(digits.x[:3]) == pytest.approx(np.rint(255 * x_hat.numpy()), abs=1)
    with pytest.raises(ModelFileError, match="your own module Notebook"):
        isthmus.load(run.path)
    loaded = isthmus.load(run.path, module=Notebook())
    assert np.array_equal(loaded.encode(digits.x[:3]), run.model.encode(digits.x[:3]))
    with pytest.raises(ModelFileError, match="trains your own module Notebook"):
        isthmus.resume(run.path, epochs=4)
    extended = isthmus.resume(run.path, epochs=4, module=Notebook(), show=False)
    assert extended.metrics["epochs"] == 4


def test_what_a_module_gives_must_be_what_was_said(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Notebook returns values from -.*, which are not probabilities") as caught:
        isthmus.fit(Notebook(nn.Identity), images, output="probabilities", out=tmp_path / "a", **SMALL)
    assert caught.value.fix == 'pass output="logits"'
    given = SMALL | {"likelihood": "bernoulli,output=probabilities"}
    with pytest.raises(UsageError, match=r"Notebook returns values from -.*, which are not probabilities") as caught:
        isthmus.fit(Notebook(nn.Identity), images, out=tmp_path / "a", **given)
    assert caught.value.fix == 'pass likelihood="bernoulli"'
    assert not (tmp_path / "a").exists()
    with pytest.raises(UsageError, match="output is 'odds', but must be"):
        isthmus.fit(Notebook(), images, output="odds", **SMALL)
    with pytest.raises(UsageError, match=r"takes a torch\.nn\.Module, but got the class Notebook"):
        isthmus.fit(Notebook, images, **SMALL)  # type: ignore[arg-type]
    said = Said()
    isthmus.fit(Notebook(), images, out=tmp_path / "b", **SMALL | {"epochs": 1, "show": said})
    assert any('as if it ended in a sigmoid; if so, pass output="probabilities"' in line for line in said.lines)
    said = Said()
    isthmus.fit(Notebook(nn.Identity), images, out=tmp_path / "c", **SMALL | {"epochs": 1, "show": said})
    assert not any("sigmoid" in line for line in said.lines)


def test_a_dry_run_tells_the_plan_and_makes_nothing(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {k: v for k, v in SMALL.items() if k != "show"}
    about = train.dry_run(train.configure(images, None, None, settings), show=False)
    assert about["samples"] == {"train": 160, "validation": 20, "test": 20}
    assert (about["epochs"], about["steps"], about["parameters"]) == (3, 15, 26_036)
    assert list(tmp_path.iterdir()) == []


def test_later_settings_win() -> None:
    config = train.configure("x.npy", "seed", {"model": {"z_size": 8, "noise": "masking:0.5"}}, {"z_size": 16})
    assert (config.recipe, config.model.z_size, config.model.noise) == ("seed", 16, "masking:0.5")
    assert config.data.source == "x.npy"
    assert train.configure(np.zeros(3), None, None, {}).data.source == "data in memory"
    assert train.configure(None, None, None, {}).data.source == "mnist-2k"


def test_fault_33_a_run_lists_all_files_that_were_skipped(digits: tiny.Digits, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, pixels in enumerate(digits.x[:30]):
        Image.fromarray(pixels[0]).save(folder / f"{i:02}.png")
    whole = (folder / "00.png").read_bytes()
    for i in range(12):
        (folder / f"cut{i:02}.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="12 of 42 files"):
        isthmus.train(folder, out=tmp_path / "a", **SMALL)
    said = Said()
    run = isthmus.train(folder, out=tmp_path / "b", skip_bad_files=True, **SMALL | {"epochs": 1, "show": said})
    listed = (run.path / "skipped.txt").read_text().splitlines()
    assert [line.partition(" ")[0] for line in listed] == [f"cut{i:02}.png" for i in range(12)]
    assert all("is damaged or truncated" in line for line in listed)
    assert any(line.endswith("skipped.txt") and "skipped 12 bad files" in line for line in said.lines)
