from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from faulty import full_after
from isthmus.system.tensors import save_tensors


def test_tensors_of_every_kind_come_back_as_they_were(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "plain": base,
        "turned": base.T,
        "strided": base[::2, 1::2],
        "tied": base,  # shares its memory with others, as tied weights do
        "bytes": torch.tensor([0, 255], dtype=torch.uint8),
        "half": torch.tensor([1.5], dtype=torch.bfloat16),
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 3),
        "learned": torch.nn.Parameter(base.clone()),
    }
    save_tensors(tmp_path / "a.safetensors", tensors)
    found = load_file(tmp_path / "a.safetensors")
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(found[name], value), name
        assert found[name].dtype == value.dtype


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    with full_after(1_000), pytest.raises(OSError, match="File too large"):
        save_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(10_000)})


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save_tensors(tmp_path / "absent" / "a.safetensors", {"a": torch.zeros(1)})
    assert os.listdir(tmp_path) == []
