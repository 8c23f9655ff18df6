"""The noise of a photograph, seen in the flat parts of what was taken away."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.evaluation.metrics.photo_noise import noise_in_flat_parts

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("C", [1, 3])
def test_what_was_taken_from_flat_parts_is_the_noise(sigma: float, C: int) -> None:
    clean = np.full((2, C, 128, 128), 0.5)
    clean[..., 64:] = RNG.random((2, C, 128, 64))  # half of it is texture, which was smoothed away
    removed = sigma * RNG.standard_normal(clean.shape)
    removed[..., 64:] += 0.3 * RNG.standard_normal((2, C, 128, 64))
    # the median of the deviation of 64 values lies within 2 % of the deviation
    assert noise_in_flat_parts(clean + removed, clean) == pytest.approx(sigma, rel=0.02, abs=1e-12)


def test_pictures_of_less_than_a_block_have_none() -> None:
    assert noise_in_flat_parts(np.ones((1, 1, 7, 30)), np.zeros((1, 1, 7, 30))) == 0.0
