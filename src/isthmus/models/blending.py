"""Blends a picture before and after denoising, to set how strongly it is denoised."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

ROWS = 256  # rows of pixels that are blended at once: 50 MB for a wide photograph


def blend(before: Shaped[Tensor, ...], after: Shaped[Tensor, ...], share: float | Tensor) -> Tensor:
    """before + share (after - before), in the type of `before`; integers are rounded.

    `share` is in [0, 1]: one number, or one for each pixel.
    """
    if before.is_floating_point():
        return before + share * (after - before)
    x = before.float()
    return (x + share * (after.float() - x)).round().to(before.dtype)


def blended(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """Like `blend`, for photographs (C, H, W), some rows at a time; with a share of 0 or 1, one of the two itself."""
    if share in (0, 1):
        return after if share else before
    made = np.empty_like(before)
    for top in range(0, before.shape[1], ROWS):
        a, b = (torch.from_numpy(np.array(pixels[:, top : top + ROWS])) for pixels in (before, after))
        made[:, top : top + ROWS] = blend(a, b, share).numpy()
    return made


__all__ = ["blend", "blended"]
