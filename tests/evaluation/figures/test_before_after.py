"""Before and after of large photographs: reduced by means, and a detail that stays pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.evaluation.figures.before_after import DETAIL, before_after, detail_of, place_of_detail, reduced, shown_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("C", [1, 3])
def test_an_image_is_reduced_by_means_of_squares(C: int) -> None:
    image = RNG.integers(0, 256, (C, 31, 47), dtype=np.uint8)
    found = reduced(image, 20)  # 47 // 20: squares of 2 x 2
    expected = image[:, :30, :46].reshape(C, 15, 2, 23, 2).mean((2, 4)) / 255
    np.testing.assert_allclose(found, expected.transpose(1, 2, 0), atol=1e-6)
    assert reduced(image, 47).shape == (31, 47, C)
    assert reduced(image[:, :1], 2).shape == (1, 47, C)  # no square is higher than the image


def test_the_detail_is_where_the_structure_is_and_is_not_reduced() -> None:
    after = np.full((1, 900, 5000), 100, np.uint8)
    top, left = 512, 3400
    after[0, top : top + 150, left : left + 150] = RNG.integers(0, 256, (150, 150))
    before = np.clip(after.astype(int) + 20, 0, 255).astype(np.uint8)
    found = detail_of(before, after)
    assert found.before.shape == (DETAIL, DETAIL, 1)
    assert float((found.after[..., 0] != np.float32(100 / 255)).mean()) > 0.3  # most of the 150 x 150 lie in it
    assert found.times == pytest.approx(0.5 / (20 / 255), rel=1e-3)
    np.testing.assert_allclose(found.removed, (0.5 + found.times * (found.before - found.after)).clip(0, 1))


def test_small_images_and_strips_are_drawn_too() -> None:
    for shape in ((1, 5, 7), (3, 2, 300), (3, 300, 2)):
        image = RNG.integers(0, 256, shape, dtype=np.uint8)
        shown = shown_of(image, place_of_detail(image))
        assert before_after(shown, shown, "it").axes
