"""Image sizes as text, and arrays of images resized as Pillow resizes one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from isthmus.data.images.transforms import parse_size, resized
from isthmus.errors import ResourceError, UsageError


@pytest.mark.parametrize(
    ("text", "size"), [("28", (28, 28)), ("28x32", (28, 32)), (" 8 X 9 ", (8, 9)), ("16384", (16384, 16384))]
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "4x0", "-3", "a", "3x4x5", "16385", "9" * 5000])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is not an image size of 1 to 16,384"):
        parse_size(text)


def test_arrays_resize_as_pillow_does_in_floats() -> None:
    x = np.random.default_rng(0).random((2, 3, 9, 8), dtype=np.float32)
    small = resized(x, (4, 6))
    for n in range(2):
        for c in range(3):
            expected = np.asarray(Image.fromarray(x[n, c]).resize((6, 4), Image.Resampling.BICUBIC)).clip(0, 1)
            np.testing.assert_array_equal(small[n, c], expected)


def test_fault_05_a_size_that_does_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.system.memory.available_bytes", lambda: 1_000_000)
    monkeypatch.setattr("isthmus.system.scratch.kind_of_disk", lambda folder: "tmpfs")  # which is memory too
    with pytest.raises(ResourceError, match=r"resizing 2 images to 1000 x 1000 pixels needs 2\.0 MB"):
        resized(np.zeros((2, 1, 4, 4), np.uint8), (1000, 1000))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_type_and_range_are_kept(dtype: type) -> None:
    x = np.zeros((1, 1, 8, 8), dtype)
    x[..., 4:] = np.iinfo(dtype).max
    large = resized(x, (16, 16))  # bicubic would overshoot at the edge
    assert large.dtype == dtype
    assert (large.min(), large.max()) == (0, np.iinfo(dtype).max)
    assert resized(x, (8, 8)) is x
