"""Moments found block by block, beside numpy's of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isthmus.data import numeric
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.samples import Samples
from isthmus.data.stored_rows import StoredRows
from isthmus.data.value_moments import moments_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1000, 4), (60, 3, 5, 4)])
def test_the_same_as_of_the_whole(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric, "BLOCK", 77)
    x = RNG.normal(1.7e9, 30.0, shape)
    axes = (0, 2, 3) if len(shape) == 4 else (0,)
    found = moments_of(x)
    np.testing.assert_allclose(found.mean, x.mean(axes), rtol=1e-14)
    np.testing.assert_allclose(found.deviation, x.std(axes), rtol=1e-9)  # at an offset of 1e8 deviations
    assert (found.low.tolist(), found.high.tolist()) == (x.min(axes).tolist(), x.max(axes).tolist())


@pytest.mark.parametrize("scale", ["auto", "standard", "minmax", "none"])
@pytest.mark.parametrize("kind", ["table", "gaps", "bytes", "counts"])
def test_preprocessing_of_rows_on_disk_is_that_of_rows_in_memory(scale: str, kind: str, tmp_path: Path) -> None:
    x = RNG.normal(3, 2, (200, 3)).astype(np.float32)
    x[:, 1] = 0.1  # never changes
    if kind == "gaps":
        x[::7, 0] = np.nan
    elif kind != "table":
        x = RNG.integers(0, 5000, (50, 2, 6, 5)).astype(np.uint16 if kind == "counts" else np.uint8)
    np.save(tmp_path / "x.npy", x)
    stored = StoredRows(np.load(tmp_path / "x.npy", mmap_mode="r"))
    on_disk, inside = (fit_preprocess(Samples(each, "x"), scale) for each in (stored, x))  # type: ignore[arg-type]
    for name in ("offset", "scale", "fill", "range"):
        ours, theirs = getattr(on_disk, name), getattr(inside, name)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)
