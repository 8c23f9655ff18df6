"""A run folder that disappears during training is not created again; the training is saved nearby."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import FolderGoneError, ModelFileError, ResourceError
from isthmus.pipeline import execution, rescue
from isthmus.training.trainer import Progress
from tiny import FAST, Said


class Meanwhile(Said):
    """Does something to the run folder after an epoch."""

    def __init__(self, epoch: int, act: Callable[[], Any]) -> None:
        super().__init__()
        self.at, self.act = epoch, act

    def epoch(self, row: dict[str, Any], progress: Any) -> None:
        if progress.epoch == self.at:
            self.act()


def vanish(run: Path) -> None:
    shutil.rmtree(run)


def vanish_with_the_folder_above(run: Path) -> None:
    shutil.rmtree(run.parent)


def move(run: Path) -> None:
    run.rename(run.with_name("moved"))


def replace(run: Path) -> None:
    move(run)
    run.mkdir()


def trained(images: Path, out: Path, **settings: Any) -> Run:
    return isthmus.train(images, out=out, **FAST | settings)


LOST = [(1, vanish), (3, vanish), (1, vanish_with_the_folder_above), (1, move), (3, replace)]


def rescued(run: Path, lose: Callable[[Path], None]) -> Path:
    above = run.parent.parent if lose is vanish_with_the_folder_above else run.parent
    return above / f"{run.name}-rescued"


@pytest.mark.parametrize(("epoch", "lose"), LOST)
def test_fault_98_a_run_folder_that_is_lost_in_training_costs_nothing(
    epoch: int, lose: Callable[[Path], None], images: Path, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "a"
    kept, display = rescued(run, lose), Meanwhile(epoch, lambda: lose(run))
    with pytest.raises(FolderGoneError, match=re.escape(f"of 3 is saved in {kept}.")) as caught:
        trained(images, run, show=display)
    assert (caught.value.exit_code, caught.value.fix) == (5, f"continue with `isthmus resume {kept}`")
    assert not (run / "run.json").exists()
    assert run.exists() == (lose is replace)
    whole = isthmus.train(images, out=tmp_path / "whole", **FAST)
    tiny.assert_same_weights(isthmus.resume(kept, show=False), whole)
    record = Run(kept).record
    assert (record["ended"], record["rescued_from"], record["judged"]) == ("budget", str(run), True)


def test_fault_98_a_file_in_the_place_of_the_run_costs_nothing_either(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"

    def put_a_file() -> None:
        shutil.rmtree(run)
        run.write_text("mine")

    kept = run.parent / "a-rescued"
    with pytest.raises(ResourceError, match=re.escape(f"of 3 is saved in {kept}.")) as caught:
        trained(images, run, show=Meanwhile(1, put_a_file))
    assert caught.value.exit_code == 5
    assert run.read_text() == "mine"
    whole = isthmus.train(images, out=tmp_path / "whole", **FAST)
    tiny.assert_same_weights(isthmus.resume(kept, show=False), whole)


@pytest.mark.parametrize("stage", ["judge", "draw_pictures", "keep_latent"])
def test_fault_98_a_trained_model_is_kept_though_its_folder_goes_while_it_is_judged(
    stage: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real = tmp_path / "a", getattr(execution, stage)

    def losing(*given: Any, **named: Any) -> Any:
        shutil.rmtree(run)
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(execution, stage, losing)
        with pytest.raises(FolderGoneError, match="Everything up to epoch 3 of 3 is saved in"):
            isthmus.train(images, out=run, **FAST)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-rescued"]
    weights = tiny.weights(isthmus.load(tmp_path / "a-rescued"))
    judged = isthmus.resume(tmp_path / "a-rescued", show=False)
    tiny.assert_equal_weights(tiny.weights(judged.model), weights)
    assert judged.metrics["epochs"] == 3


def test_fault_98_a_resumed_run_that_is_lost_at_once_is_saved_as_far_as_it_was(copy: Path) -> None:
    with pytest.raises(FolderGoneError, match="Everything up to epoch 4 of 5 is saved"):
        isthmus.resume(copy, epochs=5, show=Meanwhile(4, lambda: shutil.rmtree(copy)))
    assert isthmus.resume(copy.with_name("copy-rescued"), show=False).metrics["epochs"] == 5


def test_fault_96_a_link_that_is_put_into_a_run_in_training_is_not_followed(images: Path, tmp_path: Path) -> None:
    run, docs = tmp_path / "a", tmp_path / "docs"

    def link() -> None:
        (run / "checkpoint").rename(docs)
        (run / "checkpoint").symlink_to(docs)

    with pytest.raises(ModelFileError, match=r"checkpoint is a link .* is saved in .*a-rescued") as caught:
        trained(images, run, show=Meanwhile(2, link))
    assert caught.value.exit_code == 4
    assert sorted(path.name for path in docs.iterdir()) == ["latest", "step-000000005"]  # what was moved there
    assert isthmus.resume(tmp_path / "a-rescued", show=False).metrics["epochs"] == 3


def test_the_last_trained_step_is_named_by_the_epoch_that_it_belongs_to() -> None:
    assert rescue.reached(Progress(epochs=5, batches=10, epoch=3, batch=8)) == "epoch 4, step 8 of 10"
    assert rescue.reached(Progress(epochs=5, batches=10, epoch=3)) == "epoch 3 of 5"


def test_a_second_rescue_takes_the_next_name_and_a_full_disk_is_said(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-rescued").mkdir()
    with pytest.raises(FolderGoneError, match=r"is saved in .*a-rescued-2\."):
        trained(images, tmp_path / "a", show=Meanwhile(2, lambda: vanish(tmp_path / "a")))

    def full(*_: Any) -> Any:
        raise ResourceError("RESOURCE-DISK", "the disk is full.")

    monkeypatch.setattr(rescue, "_saved", full)
    with pytest.raises(FolderGoneError, match="could not be saved in any folder above"):
        trained(images, tmp_path / "b", show=Meanwhile(2, lambda: vanish(tmp_path / "b")))


def test_fault_98_a_monitor_in_a_loop_of_ones_own_makes_its_folder_once(tmp_path: Path) -> None:
    monitor = isthmus.Monitor(nn.Linear(2, 2), tmp_path / "new" / "run")
    monitor.log(validation_cost=1.0)
    monitor.save_checkpoint()
    shutil.rmtree(tmp_path / "new")
    with pytest.raises(FolderGoneError):
        monitor.save_checkpoint()
    with pytest.raises(FolderGoneError):
        monitor.write_history()
    assert list(tmp_path.iterdir()) == []


def test_fault_98_what_a_tool_keeps_brings_no_deleted_run_back(digit_run: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(digit_run.path, tmp_path / "a"))
    assert run.model.z_size == 12
    codes = run.encode(digit_run.prepared.splits.test.x[:4])
    shutil.rmtree(run.path)
    run.artifacts.keep("codes", {"a": 1}, {"z": codes})
    assert not run.path.exists()
