"""How much noise a photograph has, seen in what a blind denoiser takes out of its flat parts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

BLOCK = 8  # pixels a side: 64 values tell their deviation to a tenth
FLATTEST = 0.25  # of the blocks of the clean picture: sky, walls, skin, whatever is out of focus


def noise_in_flat_parts(noisy: Float[np.ndarray, "N C H W"], clean: Float[np.ndarray, "N C H W"]) -> float:
    """The median deviation of what was taken away, over the flattest quarter of the blocks of the clean pictures.

    In units of the pictures. Where the clean picture is flat, a denoiser has nothing to take away but noise.
    0 for pictures of less than a block.
    """
    if min(noisy.shape[2:]) < BLOCK:
        return 0.0
    removed, detail = _deviations(noisy - clean), _deviations(clean)
    flat = np.argsort(detail)[: max(1, int(FLATTEST * detail.size))]
    return float(np.median(removed[flat]))


def _deviations(x: np.ndarray) -> np.ndarray:
    """The deviation within each block of 8 x 8 pixels, root mean square over the channels."""
    N, C, H, W = x.shape
    rows, columns = H // BLOCK, W // BLOCK
    cut = x[..., : rows * BLOCK, : columns * BLOCK].reshape(N, C, rows, BLOCK, columns, BLOCK)
    return np.sqrt(cut.var(axis=(3, 5), dtype=np.float64).mean(1)).reshape(-1)


__all__ = ["noise_in_flat_parts"]
