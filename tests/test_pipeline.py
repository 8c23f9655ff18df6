"""From data to a judged run folder, interrupted, resumed, extended, and refused where it should be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import isthmus
import tiny
from isthmus import execution, pipeline
from isthmus.display import Quiet
from isthmus.errors import DataError, DivergedError, FolderInUseError, Interrupted, ModelFileError, UsageError
from isthmus.lock import FolderLock
from isthmus.runs import Run

SMALL: dict[str, Any] = {"hidden": [16], "z_size": 4, "threads": 1, "batch_size": 32, "epochs": 3, "show": False}


class Said(Quiet):
    """Keeps what would have been said; may send a signal after some steps."""

    def __init__(self, stop_at: int | None = None, number: int = signal.SIGTERM) -> None:
        self.lines: list[str] = []
        self.stop_at, self.number = stop_at, number

    def say(self, text: str) -> None:
        self.lines.append(text)

    def step(self, progress: Any) -> None:
        if progress.step == self.stop_at:
            os.kill(os.getpid(), self.number)


@pytest.fixture(scope="module")
def images(digits: tiny.Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 200 digits."""
    path = tmp_path_factory.mktemp("data") / "my digits.npy"
    np.save(path, digits.x[:200])
    return path


@pytest.fixture(scope="module")
def denoiser(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run, not to be changed."""
    with tiny.assert_global_generator_untouched():
        return isthmus.train(images, noise="gaussian:0.5", out=tmp_path_factory.mktemp("runs") / "a", **SMALL)


@pytest.fixture
def copy(denoiser: Run, tmp_path: Path) -> Path:
    """A finished run that may be changed."""
    return Path(shutil.copytree(denoiser.path, tmp_path / "copy"))


def assert_same_weights(found: Run | Path, expected: Run | Path) -> None:
    pair = [isthmus.load(run.path if isinstance(run, Run) else run) for run in (found, expected)]
    tiny.assert_equal_weights(tiny.weights(pair[0]), tiny.weights(pair[1]))


def costs(run: Run) -> list[tuple[float, float]]:
    return [(row["train_cost"], row["validation_cost"]) for row in Run(run.path).history]


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
    assert denoiser.record["deterministic"] is True  # on a processor
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


def test_the_cost_that_is_told_is_that_of_the_loaded_model(denoiser: Run, images: Path) -> None:
    best = min(validation for _, validation in costs(denoiser))
    assert denoiser.metrics["best_epoch"] == [v for _, v in costs(denoiser)].index(best) + 1
    again = isthmus.evaluate(denoiser.path)
    assert again["test"] == denoiser.metrics["test"]
    assert again["baselines"] == denoiser.metrics["baselines"]
    assert again["denoising"] == denoiser.metrics["denoising"]
    other = isthmus.evaluate(denoiser.path, images)
    assert other["data"]["n_test"] == 200


def test_a_finished_run_trains_again_as_it_is(denoiser: Run, tmp_path: Path) -> None:
    again = isthmus.train(config=denoiser.path / "config.toml", out=tmp_path / "again", show=False)
    assert_same_weights(again, denoiser)
    assert (again.path / "config.toml").read_text() == (denoiser.path / "config.toml").read_text()
    assert again.metrics["test"] == denoiser.metrics["test"]


def test_the_model_of_a_run_is_the_one_on_the_disk(denoiser: Run, digits: tiny.Digits) -> None:
    loaded = isthmus.load(denoiser.path)
    assert np.array_equal(denoiser.model.denoise(digits.x[:5]), loaded.denoise(digits.x[:5]))


RUNS: dict[str, dict[str, Any]] = {
    "denoiser": {"noise": "gaussian:0.5", "augment": "shift:1"},
    "seed": {"recipe": "seed"},
}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_fault_54_55_an_interrupted_run_is_resumed_to_the_same_end(
    settings: dict[str, Any], images: Path, tmp_path: Path
) -> None:
    given = SMALL | {"batch_size": 16, "epochs": 5} | settings  # ten steps an epoch
    whole = isthmus.train(images, out=tmp_path / "whole", **given)
    part = tmp_path / "a part"
    with pytest.raises(
        Interrupted, match=r"stopped in epoch 2, step 8 of 10; everything up to there is saved"
    ) as caught:
        isthmus.train(images, out=part, **given | {"show": Said(stop_at=18)})
    assert caught.value.exit_code == 143
    assert caught.value.fix == f"go on with `isthmus resume '{part}'`"
    assert Run(part).record["ended"] == "interrupted"
    with pytest.raises(Interrupted, match="epoch 4, step 8"):
        isthmus.resume(part, show=Said(stop_at=38, number=signal.SIGINT))
    said = Said()
    resumed = isthmus.resume(part, show=said)
    assert any(line == "going on after epoch 3, step 8" for line in said.lines)
    assert_same_weights(resumed, whole)
    assert costs(resumed) == costs(whole)
    assert resumed.metrics["test"] == whole.metrics["test"]
    assert resumed.record["ended"] == whole.record["ended"] == "budget"


def test_a_finished_run_is_not_trained_on_without_being_asked(copy: Path) -> None:
    said = Said()
    before = (copy / "metrics.json").read_bytes()
    run = isthmus.resume(copy, show=said)
    assert len(said.lines) == 1
    assert said.lines[0].startswith(f"{copy} is finished after 3 epochs; ")
    assert "--epochs N" in said.lines[0]
    assert run.metrics["epochs"] == 3
    assert (copy / "metrics.json").read_bytes() == before


def test_a_finished_run_is_extended_and_the_reheating_is_said(copy: Path, denoiser: Run) -> None:
    said = Said()
    run = isthmus.resume(copy, epochs=5, show=said)
    assert any(line.startswith("the schedule is laid anew") for line in said.lines)
    assert costs(run)[:3] == costs(denoiser)
    assert (len(costs(run)), run.metrics["epochs"]) == (5, 5)
    assert tomllib.loads((copy / "config.toml").read_text())["training"]["epochs"] == 5
    assert run.history[3]["lr"] > denoiser.history[2]["lr"]


def test_a_run_that_patience_stopped_can_be_extended(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)  # nothing to learn, much to overfit
    given = SMALL | {"recipe": "seed", "lr": 0.05, "patience": 2, "epochs": 60, "likelihood": "gaussian"}
    np.save(tmp_path / "noise.npy", noise)
    run = isthmus.train(tmp_path / "noise.npy", out=tmp_path / "a", **given)
    n = run.metrics["epochs"]
    assert (run.record["ended"], n < 60) == ("patience", True)
    assert run.metrics["best_epoch"] == n - 2
    extended = isthmus.resume(run.path, epochs=n + 2, show=False)
    assert extended.metrics["epochs"] == n + 2


def test_fault_59_other_data_is_not_mixed_into_a_run(copy: Path, images: Path, digits: tiny.Digits) -> None:
    kept = images.read_bytes()
    try:
        np.save(images, digits.x[1:201])
        with pytest.raises(UsageError, match=r"the data is not what .*copy began with") as caught:
            isthmus.resume(copy, epochs=9, show=False)
    finally:
        images.write_bytes(kept)
    assert caught.value.exit_code == 2
    assert Run(copy).metrics["epochs"] == 3


def test_fault_59_other_versions_and_machines_are_said(copy: Path) -> None:
    run = Run(copy)
    run.write_record(
        versions=run.record["versions"] | {"torch": "1.0"}, hardware=run.record["hardware"] | {"cores": 999}
    )
    said = Said()
    isthmus.resume(copy, epochs=4, show=said)
    notes = [line for line in said.lines if line.startswith("note: ")]
    assert any(f"torch is {torch.__version__.partition('+')[0]}" in note and "was 1.0" in note for note in notes)
    assert any("cores is" in note and "was 999" in note for note in notes)


def test_fault_60_a_damaged_checkpoint_costs_some_epochs_and_no_more(images: Path, tmp_path: Path) -> None:
    given = SMALL | {"batch_size": 16, "epochs": 4}
    whole = isthmus.train(images, out=tmp_path / "whole", **given)
    part = tmp_path / "part"
    with pytest.raises(Interrupted):
        isthmus.train(images, out=part, **given | {"show": Said(stop_at=18)})
    with pytest.raises(Interrupted):
        isthmus.resume(part, show=Said(stop_at=28))
    newest = max((part / "checkpoint").glob("step-*"))
    (newest / "optimizer.safetensors").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"optimizer\.safetensors is damaged"):
        resumed = isthmus.resume(part, show=False)
    assert_same_weights(resumed, whole)


def test_fault_56_a_folder_in_use_is_not_trained_into(copy: Path) -> None:
    with FolderLock(copy), pytest.raises(FolderInUseError, match=f"is in use by another run .process {os.getpid()}"):
        isthmus.resume(copy, epochs=9, show=False)


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
        ({"device": "tpu"}, UsageError, "training.device = 'tpu'"),
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


def test_fault_43_a_run_that_diverges_says_so_in_its_record(images: Path, tmp_path: Path) -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.steps = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.steps += self.training
            return x * self.scale * (float("nan") if self.steps == 12 else 1.0)

    with pytest.raises(DivergedError, match="epoch 3, step 12 ") as caught:
        isthmus.fit(Bad(), images, out=tmp_path / "a", likelihood="gaussian", **SMALL)
    assert caught.value.exit_code == 6
    record = Run(tmp_path / "a").record
    assert (record["ended"], record["error"]) == ("diverged", caught.value.message)
    assert len(Run(tmp_path / "a").history) == 2


def test_the_number_of_threads_is_the_callers_again(images: Path, tmp_path: Path) -> None:
    torch.set_num_threads(2)
    try:
        run = isthmus.train(images, out=tmp_path / "a", **SMALL | {"epochs": 1})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert run.config.training.threads == 1


def test_a_table_in_memory_is_trained_judged_and_resumed_with_it(tmp_path: Path) -> None:
    frame = pl.DataFrame({name: tiny.table(150)[:, i] for i, name in enumerate("abcdef")})
    with pytest.raises(Interrupted):
        isthmus.train(frame, out=tmp_path / "a", **SMALL | {"batch_size": 8, "show": Said(stop_at=23)})
    with pytest.raises(UsageError, match="was trained on data in memory") as caught:
        isthmus.resume(tmp_path / "a")
    assert "data=" in str(caught.value.fix)
    with pytest.raises(UsageError, match="the data is not what"):
        isthmus.resume(tmp_path / "a", data=frame[::-1], show=False)
    run = isthmus.resume(tmp_path / "a", data=frame, show=False)
    whole = isthmus.train(frame, out=tmp_path / "b", **SMALL | {"batch_size": 8})
    assert_same_weights(run, whole)
    assert "ssim" not in run.metrics["test"]
    names = {path.name for path in run.path.iterdir()}
    assert {"curves.png", "worst.csv", "architecture.svg"} <= names
    assert not {"data.png", "sanity.png"} & names
    assert pl.read_csv(run.path / "worst.csv").columns[:3] == ["id", "mse", "worst_column"]
    assert run.model.encode(frame).columns == ["z0", "z1", "z2", "z3"]


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
    with pytest.raises(ModelFileError, match="a module of your own, Notebook"):
        isthmus.load(run.path)
    loaded = isthmus.load(run.path, module=Notebook())
    assert np.array_equal(loaded.encode(digits.x[:3]), run.model.encode(digits.x[:3]))
    with pytest.raises(UsageError, match="trains a module of your own, Notebook"):
        isthmus.resume(run.path, epochs=4)
    extended = isthmus.resume(run.path, epochs=4, module=Notebook(), show=False)
    assert extended.metrics["epochs"] == 4


def test_what_a_module_gives_must_be_what_was_said(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Notebook gives values from -.*, which are no probabilities") as caught:
        isthmus.fit(Notebook(nn.Identity), images, output="probabilities", out=tmp_path / "a", **SMALL)
    assert caught.value.fix == 'pass output="logits"'
    assert not (tmp_path / "a").exists()
    with pytest.raises(UsageError, match="output is 'odds'"):
        isthmus.fit(Notebook(), images, output="odds", **SMALL)
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
    about = pipeline.dry_run(pipeline.configure(images, None, None, settings), show=False)
    assert about["samples"] == {"train": 160, "validation": 20, "test": 20}
    assert (about["epochs"], about["steps"], about["parameters"]) == (3, 15, 26_036)
    assert list(tmp_path.iterdir()) == []


def test_later_settings_win() -> None:
    config = pipeline.configure("x.npy", "seed", {"model": {"z_size": 8, "noise": "masking:0.5"}}, {"z_size": 16})
    assert (config.recipe, config.model.z_size, config.model.noise) == ("seed", 16, "masking:0.5")
    assert config.data.source == "x.npy"
    assert pipeline.configure(np.zeros(3), None, None, {}).data.source == "data in memory"
    assert pipeline.configure(None, None, None, {}).data.source == "mnist-2k"


def test_a_second_interrupt_while_judging_keeps_the_trained_model(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(execution, "judge", interrupted)
        with pytest.raises(Interrupted, match="stopped while judging; the trained model is saved") as caught:
            isthmus.train(images, out=tmp_path / "a", **SMALL)
    assert caught.value.exit_code == 130
    weights = tiny.weights(isthmus.load(tmp_path / "a"))
    run = isthmus.resume(tmp_path / "a", show=False)
    tiny.assert_equal_weights(tiny.weights(run.model), weights)
    assert run.metrics["epochs"] == 3
