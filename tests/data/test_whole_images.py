"""Images of many sizes in one array, and the pieces of them that are judged."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.data.whole_images import MULTIPLE, PER_IMAGE, PIECE, WholeImages


def images(sizes: list[tuple[int, int]], C: int = 1) -> tuple[WholeImages, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    whole, kept = WholeImages.empty(sizes, C, "uint8"), []
    for i, (H, W) in enumerate(sizes):
        kept.append(rng.integers(0, 256, (C, H, W), dtype=np.uint8))
        whole.image(i)[:] = kept[-1]
    return whole, kept


@pytest.mark.parametrize("C", [1, 3])
def test_every_image_keeps_its_size_and_its_pixels(C: int) -> None:
    whole, kept = images([(20, 33), (64, 17), (16, 16)], C)
    assert len(whole) == 3
    assert all(np.array_equal(whole.image(i), image) for i, image in enumerate(kept))
    some = whole.take([2, 0])
    assert np.array_equal(some.image(0), kept[2])
    assert np.array_equal(some.image(1), kept[0])
    assert whole.take([0, 1, 2]) is whole


def test_an_array_of_images_is_taken_without_a_copy() -> None:
    x = np.random.default_rng(0).random((3, 2, 5, 7))
    whole = WholeImages.of_array(x)
    assert all(np.array_equal(whole.image(i), x[i]) for i in range(3))
    assert np.shares_memory(whole.values, x)


def test_pieces_have_one_size_and_lie_where_they_say() -> None:
    whole, kept = images([(50, 90), (37, 40), (300, 36)])
    x, image, corners = whole.pieces()
    S = x.shape[2]
    assert x.shape[1:] == (1, S, S)
    assert S % MULTIPLE == 0
    assert S == 36  # that of the smallest side, to a multiple of four
    for piece, i, (top, left) in zip(x, image, corners, strict=True):
        assert np.array_equal(piece, kept[i][:, top : top + S, left : left + S])
    assert np.bincount(image).max() <= PER_IMAGE
    assert {(0, 0), (50 - S, 90 - S)} <= {corner for i, corner in zip(image, corners, strict=True) if i == 0}


def test_pieces_of_large_images_are_bounded_and_tiny_images_are_taken_as_they_are() -> None:
    assert images([(500, 700)])[0].pieces()[0].shape == (4, 1, PIECE, PIECE)
    assert images([(3, 2), (9, 9)])[0].side() == 2


def test_one_tiny_image_among_many_is_left_out_and_does_not_decide_for_all() -> None:
    whole = images([(100 + k, 130) for k in range(12)] + [(17, 90)])[0]
    x, image, _ = whole.pieces()
    assert (x.shape[2], set(image.tolist())) == (100, set(range(12)))
    nearly = images([(100 + k, 130) for k in range(12)] + [(60, 90)])[0]
    assert nearly.side() == 60  # half of the others' or more: all are judged
    several = images([(100, 130)] * 6 + [(17, 90)] * 2)[0]
    assert several.side() == 16  # these are what the data is like
