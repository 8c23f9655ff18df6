"""Suggested image sizes can be trained on, for any network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.config import Config, DataConfig, ModelConfig
from isthmus.data.images.mixed_sizes import MixedSizes
from isthmus.training.display import Quiet
from isthmus.training.prepare import read_splits
from isthmus.training.size_trial import fits

RNG = np.random.default_rng(0)


def folder(path: Path, *sizes: tuple[int, int]) -> Path:
    path.mkdir()
    for i, size in enumerate(sizes):
        Image.fromarray(RNG.integers(0, 256, size, dtype=np.uint8)).save(path / f"{i}.png")
    return path


def offered(path: Path, network: str = "auto", **data: str) -> str:
    config = Config(data=DataConfig(source=str(path), **data), model=ModelConfig(network=network))  # type: ignore[arg-type]
    with pytest.raises(MixedSizes) as caught:
        read_splits(config, None, Quiet())
    return str(caught.value.fix)


def test_fault_136_only_sizes_that_the_network_takes_are_offered(tmp_path: Path) -> None:
    path = folder(tmp_path / "p", (12, 90), (12, 90), (14, 200), (12, 90))
    assert offered(path).startswith("pass --resize 9x64 to resize all to one size, --crop 12x64 ")
    assert offered(path, "conv") == "pass --resize 16x64 to resize all to one size"


def test_fault_136_for_validation_images_the_size_of_the_training_is_offered(tmp_path: Path) -> None:
    train = folder(tmp_path / "train", *[(20, 24)] * 5)
    other = folder(tmp_path / "other", (30, 30), (24, 20))
    fix = offered(train, validation=str(other))
    assert fix == "pass --resize 20x24 to resize all to one size, that of the training images"


def test_fault_136_a_size_that_memory_does_not_hold_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(model=ModelConfig(network="mlp"))
    assert fits(config, (3, 64, 64))
    monkeypatch.setattr("isthmus.models.footprint.available_bytes", lambda: 10_000_000)
    assert not fits(config, (3, 64, 64))
