"""The size of a pass: the note before a training and its plan count the same steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.pipeline.train import dry_run
from isthmus.recipes import resolve


@pytest.mark.parametrize(
    ("steps", "plan", "told"),
    [(2, (1, 2), []), (8, (2, 10), ["8 steps are rounded to 2 epochs of 5 steps"]), (33, (7, 35), [])],
)
def test_fault_164_patches_are_counted_as_they_are_drawn(
    steps: int, plan: tuple[int, int], told: list[str], tmp_path: Path
) -> None:
    """6 of 8 images of 96 x 96 pixels are for training; 3 patches of 64 pixels cover one, so 18 make 5 batches of 4."""
    rng = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(rng.integers(0, 256, (96, 96), np.uint8)).save(tmp_path / f"{i}.png")
    training = {"steps": steps, "batch_size": 4, "threads": 1, "device": "cpu"}
    found = dry_run(resolve({"recipe": "photo", "data": {"source": str(tmp_path)}, "training": training}), show=False)
    assert (found["epochs"], found["steps"]) == plan
    assert [line.partition(" (")[0] for line in found["said"] if "rounded" in line] == told
