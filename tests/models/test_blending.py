from __future__ import annotations

import numpy as np
import pytest
import torch

from isthmus.models.blending import blend, blended


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_a_blend_is_between_the_two(dtype: type) -> None:
    a, b = (np.random.default_rng(0).integers(0, 250, (3, 600, 7)).astype(dtype) for _ in range(2))
    b = b[:, ::-1]
    expected, found = a + 0.3 * (b.astype(float) - a), blended(a, b, 0.3)
    is_whole = np.dtype(dtype).kind == "u"
    assert found.dtype == dtype
    # float32 rounds 250 to 1e-5; a half may be rounded up or down
    assert np.abs(found - (expected.round() if is_whole else expected)).max() <= 1e-4 + is_whole
    assert blended(a, b, 0) is a
    assert blended(a, b, 1) is b


def test_every_pixel_may_have_a_share_of_its_own() -> None:
    before, after = torch.tensor([[10, 20], [30, 40]], dtype=torch.uint8), torch.full((2, 2), 200, dtype=torch.uint8)
    share = torch.tensor([[0.0, 1.0], [0.5, 0.1]])
    assert blend(before, after, share).tolist() == [[10, 200], [115, 56]]
