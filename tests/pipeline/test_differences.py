"""What may differ when a run is resumed, what may not, and the messages about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import UsageError
from isthmus.pipeline.differences import flat, settings_changed
from tiny import Said


def edit(folder: Path, **settings: str) -> None:
    """Sets other values, written as in TOML, in the run's config.toml."""
    path = folder / "config.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    for name, value in settings.items():
        found = [i for i, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[found[0]] = f"{name} = {value}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_fault_59_edited_settings_are_refused_with_every_difference(copy: Path) -> None:
    edit(copy, z_size="8", noise='"gaussian:0.1"', epochs="9", hidden="[32, 16]")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=r"3 settings in .*copy/config\.toml changed since the run began") as caught:
        isthmus.resume(copy, show=False)
    assert sorted(caught.value.problems) == [
        "model.hidden: 16 -> 32 x 16",
        "model.noise: gaussian:0.5 -> gaussian:0.1",
        "model.z_size: 4 -> 8",
    ]
    assert caught.value.exit_code == 2
    assert str(caught.value.fix).endswith(f"`isthmus train --config {copy / 'config.toml'}`")
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "settings",
    [{"seed": "1"}, {"batch_size": "16"}, {"steps": "10"}, {"schedule": '"constant"'}, {"scale": '"minmax"'}],
    ids=lambda settings: next(iter(settings)),
)
def test_fault_59_one_edited_setting_is_refused(settings: dict[str, str], copy: Path) -> None:
    edit(copy, **settings)
    name, value = next(iter(settings.items()))
    with pytest.raises(UsageError, match="1 setting in") as caught:
        isthmus.resume(copy, epochs=4, show=False)
    assert caught.value.problems[0].partition(": ")[0].endswith(f".{name}")
    assert caught.value.problems[0].endswith(f" -> {value.strip(chr(34))}")


def test_fault_59_epochs_and_lr_may_be_edited_and_the_change_is_kept(copy: Path) -> None:
    edit(copy, epochs="4", lr="0.001")
    said = Said()
    run = isthmus.resume(copy, show=said)
    assert "note: training.lr: 0.006 -> 0.001" in said.lines
    assert len(run.history) == 4
    # One-cycle ends at the last step; at the last quarter of its decay it is under the new peak, and not the old.
    assert run.history[3]["lr"] < 0.001
    resumed = json.loads((copy / "run.json").read_text())["resumed"]
    assert resumed[0]["after_epoch"] == 3
    assert {"training.epochs: 3 -> 4", "training.lr: 0.006 -> 0.001"} <= set(resumed[0]["changed"])
    assert settings_changed(Run(copy)) == {}


def test_fault_59_where_it_is_computed_and_where_the_data_lies_may_change(copy: Path, images: Path) -> None:
    moved = copy.parent / "elsewhere.npy"
    moved.write_bytes(images.read_bytes())
    edit(copy, source=json.dumps(str(moved)), epochs="4")
    run = isthmus.resume(copy, show=False)
    assert len(run.history) == 4
    again = isthmus.resume(copy, epochs=5, data=images, show=False)
    assert again.config.data.source == str(images)


def test_fault_59_a_device_that_is_not_there_is_replaced_by_one_that_is(copy: Path) -> None:
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    edit(copy, device=f'"{missing}"')
    said = Said()
    run = isthmus.resume(copy, epochs=4, show=said)
    assert run.config.training.device in {"cpu", "cuda"} - {missing}
    assert f"note: training.device: cpu -> {missing}" in said.lines


def test_fault_59_other_data_is_told_set_by_set(copy: Path, images: Path) -> None:
    x = np.load(images)
    np.save(copy.parent / "more.npy", np.concatenate([x, x[:100]]))
    np.save(copy.parent / "other.npy", x[::-1])
    with pytest.raises(UsageError, match=r"differs from the data that .*copy began with") as caught:
        isthmus.resume(copy, epochs=9, data=copy.parent / "more.npy", show=False)
    assert caught.value.problems[0] == "train: 160 samples, 1 x 28 x 28 uint8 -> 240 samples, 1 x 28 x 28 uint8"
    with pytest.raises(UsageError, match=r"other\.npy differs from the data") as caught:
        isthmus.resume(copy, epochs=9, data=copy.parent / "other.npy", show=False)
    assert caught.value.problems[0] == "train: still 160 samples, 1 x 28 x 28 uint8, but with different values"
    assert Run(copy).metrics["epochs"] == 3


def test_settings_that_an_older_version_did_not_know_count_as_their_usual_value(copy: Path) -> None:
    run = Run(copy)
    settings = run.record["settings"]
    del settings["training"]["clip"]
    run.write_record(settings=settings)
    assert settings_changed(Run(copy)) == {}
    edit(copy, clip="5.0")
    with pytest.raises(UsageError, match="1 setting in"):
        settings_changed(Run(copy))


def test_settings_are_laid_flat() -> None:
    nested = {"recipe": "seed", "model": {"z_size": 8}, "training": {"betas": [0.9, 0.95]}}
    assert flat(nested) == {"recipe": "seed", "model.z_size": 8, "training.betas": [0.9, 0.95]}


def test_the_beginning_of_a_run_is_recorded(denoiser: Run) -> None:
    assert denoiser.record["settings"]["model"]["noise"] == "gaussian:0.5"
    assert {role: about["n"] for role, about in denoiser.record["data"].items()} == {
        "train": 160,
        "validation": 20,
        "test": 20,
    }
    assert tiny.FAST["epochs"] == denoiser.record["settings"]["training"]["epochs"]
