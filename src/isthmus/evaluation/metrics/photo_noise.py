"""How much noise a photograph has, seen in what a blind denoiser takes out of its flat parts."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from isthmus.models.removal_bound import CELL, Cells, cells_of, ends_of


def noise_in_flat_parts(noisy: Float[np.ndarray, "N C H W"], clean: Float[np.ndarray, "N C H W"]) -> float:
    """`Cells.noise` of all pictures together: the median deviation of what was taken away where they are flattest.

    In units of the pictures. Where the clean picture is flat, a denoiser has nothing to take away but noise.
    0 for pictures of less than a cell; of others what is left over at the right and lower edge does not count.
    """
    H, W = (side // CELL * CELL for side in noisy.shape[2:])
    if not min(H, W):
        return 0.0
    pairs = (torch.from_numpy(np.stack(pair)[..., :H, :W]) for pair in zip(noisy, clean, strict=True))
    ends = ends_of(torch.from_numpy(noisy))
    found = [cells_of(pair[0], pair[1], ends) for pair in pairs]
    return Cells._make(torch.cat([part.flatten() for part in parts]) for parts in zip(*found, strict=True)).noise


__all__ = ["noise_in_flat_parts"]
