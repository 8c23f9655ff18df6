"""An interrupted run is resumed with the same result, a finished one is extended, and other data is refused."""

from __future__ import annotations

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
from safetensors.torch import load_file
from torch import nn

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import FolderInUseError, Interrupted, UsageError
from isthmus.system.lock import FolderLock
from tiny import FAST as SMALL
from tiny import Said

RUNS: dict[str, dict[str, Any]] = {
    "denoiser": {"noise": "gaussian:0.5", "augment": "shift:1"},
    "seed": {"recipe": "seed"},
}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_fault_54_55_an_interrupted_run_is_resumed_to_the_same_end(
    settings: dict[str, Any], images: Path, tmp_path: Path
) -> None:
    given = SMALL | {"batch_size": 16, "epochs": 5} | settings  # ten steps per epoch
    whole = isthmus.train(images, out=tmp_path / "whole", **given)
    part = tmp_path / "a part"
    with pytest.raises(
        Interrupted, match=r"stopped in epoch 2, step 8 of 10; everything trained so far is saved"
    ) as caught:
        isthmus.train(images, out=part, **given | {"show": Said(stop_at=18)})
    assert caught.value.exit_code == 143
    assert caught.value.fix == f"continue with `isthmus resume '{part}'`"
    assert Run(part).record["ended"] == "interrupted"
    with pytest.raises(Interrupted, match="epoch 4, step 8"):
        isthmus.resume(part, show=Said(stop_at=38, number=signal.SIGINT))
    said = Said()
    resumed = isthmus.resume(part, show=said)
    assert any(line == "continuing in epoch 4, step 8 of 10" for line in said.lines)
    tiny.assert_same_weights(resumed, whole)
    assert tiny.costs_of(resumed) == tiny.costs_of(whole)
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
    assert any(line.startswith("the learning rate schedule now covers") for line in said.lines)
    assert tiny.costs_of(run)[:3] == tiny.costs_of(denoiser)
    assert (len(tiny.costs_of(run)), run.metrics["epochs"]) == (5, 5)
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
        with pytest.raises(UsageError, match=r"differs from the data that .*copy began with") as caught:
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
    assert any(f"torch changed from 1.0 to {torch.__version__.partition('+')[0]}" in note for note in notes)
    assert any(f"cores changed from 999 to {os.cpu_count()};" in note for note in notes)


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
    tiny.assert_same_weights(resumed, whole)


def test_fault_56_a_folder_in_use_is_not_trained_into(copy: Path) -> None:
    with FolderLock(copy), pytest.raises(FolderInUseError, match=f"is in use by another run .process {os.getpid()}"):
        isthmus.resume(copy, epochs=9, show=False)


def test_a_table_in_memory_is_trained_judged_and_resumed_with_it(tmp_path: Path) -> None:
    frame = pl.DataFrame({name: tiny.table(150)[:, i] for i, name in enumerate("abcdef")})
    with pytest.raises(Interrupted):
        isthmus.train(frame, out=tmp_path / "a", **SMALL | {"batch_size": 8, "show": Said(stop_at=23)})
    with pytest.raises(UsageError, match="was trained on data in memory") as caught:
        isthmus.resume(tmp_path / "a")
    assert "data=" in str(caught.value.fix)
    with pytest.raises(UsageError, match="differs from the data that"):
        isthmus.resume(tmp_path / "a", data=frame[::-1], show=False)
    run = isthmus.resume(tmp_path / "a", data=frame, show=False)
    whole = isthmus.train(frame, out=tmp_path / "b", **SMALL | {"batch_size": 8})
    tiny.assert_same_weights(run, whole)
    assert "ssim" not in run.metrics["test"]
    names = {path.name for path in run.path.iterdir()}
    assert {"curves.png", "worst.csv", "architecture.svg"} <= names
    assert not {"data.png", "sanity.png"} & names
    assert pl.read_csv(run.path / "worst.csv").columns[:3] == ["id", "mse", "worst_column"]
    assert run.model.encode(frame).columns == ["z0", "z1", "z2", "z3"]


def autoencoder(width: int) -> nn.Module:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.Linear(784, width), nn.Linear(width, 784)

    return Own()


def test_a_module_that_is_another_is_refused_and_the_run_stays_as_it_was(images: Path, tmp_path: Path) -> None:
    given = {k: v for k, v in SMALL.items() if k not in {"hidden", "z_size"}}
    run = isthmus.fit(autoencoder(4), images, out=tmp_path / "a", **given | {"epochs": 1})
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    with pytest.raises(UsageError, match="the module is not built like the one that") as caught:
        isthmus.resume(run.path, epochs=2, module=autoencoder(5), show=False)
    assert any("encoder.weight" in problem for problem in caught.value.problems)
    with pytest.raises(UsageError, match="trains the module Own, but got an object of type Linear"):
        isthmus.resume(run.path, epochs=2, module=nn.Linear(784, 784), show=False)
    assert {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()} == before
    assert isthmus.resume(run.path, epochs=2, module=autoencoder(4), show=False).metrics["epochs"] == 2
    with pytest.raises(UsageError, match="from a run of your own module") as caught:
        isthmus.train(config=run.path / "config.toml", show=False)
    assert caught.value.fix == "call isthmus.fit(module, data) in Python"


def test_a_module_for_a_run_that_has_none_is_refused(copy: Path) -> None:
    with pytest.raises(UsageError, match="trains no module of your own, but got an object of type Linear"):
        isthmus.resume(copy, epochs=4, module=nn.Linear(2, 2), show=False)


BEFORE = Path(__file__).parents[1] / "fixtures" / "before_layers"


@pytest.mark.parametrize(("name", "epochs"), [("table", 9), ("digits", 5)])
def test_a_run_from_before_resumes_by_the_rules_that_it_began_with(
    name: str, epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights next to the runs were trained by the version that began them."""
    shutil.copytree(BEFORE, tmp_path / "then")
    monkeypatch.chdir(tmp_path / "then")  # its data is named by a relative path
    settings = tomllib.loads(Path(name, "config.toml").read_text())
    assert not {"digits", "split"} & settings["data"].keys()
    run = isthmus.resume(name, epochs=epochs, show=False)
    for key, expected in load_file(f"{name}.resumed.safetensors").items():
        # Equal to the last bit on the processor that they come from; other data changes them by 3e-3 at least.
        torch.testing.assert_close(run.model.state_dict()[key], expected, rtol=0, atol=1e-5)
    kept = tomllib.loads(Path(name, "config.toml").read_text())["data"]
    assert (kept["digits"], kept["split"]) == ("float32", "shuffled")
