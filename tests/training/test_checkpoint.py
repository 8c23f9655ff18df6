from __future__ import annotations

import errno
import json
import math
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

import tiny
from faulty import every_failure, full_after
from isthmus.errors import ModelFileError, ResourceError
from isthmus.training.checkpoint import Checkpoints


def weights(value: float) -> dict[str, dict[str, Tensor]]:
    return {"model": {"w": torch.full((3, 2), value)}, "optimizer": {"0.step": torch.tensor(value)}}


def saved(folder: Path, steps: int) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for step in range(1, steps + 1):
        checkpoints.save(step, weights(step), {"step": step, "cost_sum": step / 3})
    return checkpoints


def assert_loads(checkpoints: Checkpoints, step: int) -> None:
    found = checkpoints.load()
    assert found is not None
    tensors, state = found
    assert state == {"step": step, "cost_sum": step / 3}  # bit for bit, otherwise a resumed run would differ
    for group, expected in weights(step).items():
        tiny.assert_equal_weights(tensors[group], expected)


def test_the_newest_is_loaded_and_two_are_kept(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 4)
    assert_loads(checkpoints, 4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest", "step-000000003", "step-000000004"]
    assert (tmp_path / "latest").read_text() == "step-000000004\n"
    assert sorted(p.name for p in (tmp_path / "step-000000004").iterdir()) == [
        "MANIFEST.json",
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]


def test_there_may_be_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent").load() is None


FILES = ["model.safetensors", "optimizer.safetensors", "state.json"]
HARMS = [(harm, name) for harm in ("flip", "cut", "remove", "empty") for name in [*FILES, "MANIFEST.json"]]


# A flipped bit in the manifest changes an entry of a file, or nothing important.
@pytest.mark.parametrize(("harm", "name"), [pair for pair in HARMS if pair != ("flip", "MANIFEST.json")])
def test_fault_60_61_a_damaged_checkpoint_is_moved_aside_and_the_one_before_is_used(
    harm: str, name: str, tmp_path: Path
) -> None:
    checkpoints = saved(tmp_path, 3)
    path = tmp_path / "step-000000003" / name
    content = path.read_bytes()
    path.write_bytes(
        {"flip": content[:20] + bytes([content[20] ^ 4]) + content[21:], "cut": content[:-3]}.get(harm, b"")
    )
    if harm == "remove":
        path.unlink()
    with pytest.warns(UserWarning, match=rf"{name}.*(damaged|missing|cannot be read).*moved to damaged-step-000000003"):
        assert_loads(checkpoints, 2)
    assert (tmp_path / "damaged-step-000000003").is_dir()
    assert_loads(checkpoints, 2)  # silently now


def test_fault_60_when_all_are_damaged_nothing_is_loaded(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 3)
    for path in tmp_path.glob("step-*/model.safetensors"):
        path.write_bytes(b"")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert checkpoints.load() is None
    assert [str(each.message).rpartition("; ")[2] for each in told] == [
        "the previous checkpoint is used.",
        "no other checkpoint is left.",
    ]


def test_fault_63_a_checkpoint_of_a_newer_version_is_not_taken_for_a_damaged_one(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 2)
    manifest = tmp_path / "step-000000002" / "MANIFEST.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 9, "isthmus": "5.0"}))
    with pytest.raises(ModelFileError, match=r"written by a newer version of isthmus \(5\.0\)"):
        checkpoints.load()
    assert manifest.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_fault_52_a_failing_disk_never_costs_what_was_saved(number: int, tmp_path: Path) -> None:
    checkpoints, newest = saved(tmp_path, 2), [2]

    def save() -> None:
        step = newest[0] + 1
        checkpoints.save(step, weights(step), {"step": step})

    for told in every_failure(save, number, ResourceError):
        found = checkpoints.load()
        assert found is not None
        # an error may come after the commit, when only `latest` could not be written
        assert found[1]["step"] - newest[0] in ({0, 1} if told else {1})
        newest[0] = found[1]["step"]
    assert newest[0] > 2


def test_fault_52_a_disk_that_fills_up_amid_the_weights_is_told_as_such(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 2)
    large = {"model": {"w": torch.zeros(100_000)}}
    with full_after(10_000), pytest.raises(ResourceError, match="step-000000003 cannot be written: File too large"):
        checkpoints.save(3, large, {})
    assert_loads(checkpoints, 2)
    assert not list(tmp_path.glob(".part-*"))


def test_a_save_that_was_killed_leaves_nothing_that_is_taken_for_a_checkpoint(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 2)
    (tmp_path / ".part-abc").mkdir()
    (tmp_path / ".part-abc" / "model.safetensors").write_bytes(b"half")
    assert_loads(checkpoints, 2)
    checkpoints.save(3, weights(3), {"step": 3, "cost_sum": 1.0})
    assert_loads(checkpoints, 3)


def test_undefined_numbers_in_the_state_are_null(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {}, {"history": [{"cost": math.nan}]})
    found = checkpoints.load()
    assert found is not None
    assert found[1] == {"history": [{"cost": None}]}
