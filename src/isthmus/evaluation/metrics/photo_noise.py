"""The noise of a photograph, measured in what a blind denoiser removes from its flat parts."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from isthmus.models.removal_bound import CELL, Cells, cells_of, ends_of


def noise_in_flat_parts(noisy: Float[np.ndarray, "N C H W"], clean: Float[np.ndarray, "N C H W"]) -> float:
    """`Cells.noise` of all pictures together: the median standard deviation of what was removed in the flattest parts.

    In units of the pictures. In flat parts, a denoiser can only remove noise. 0 for pictures smaller than a cell; in
    others, incomplete cells at the right and lower edges are not used.
    """
    H, W = (side // CELL * CELL for side in noisy.shape[2:])
    if not min(H, W):
        return 0.0
    pairs = (torch.from_numpy(np.stack(pair)[..., :H, :W]) for pair in zip(noisy, clean, strict=True))
    ends = ends_of(torch.from_numpy(noisy))
    found = [cells_of(pair[0], pair[1], ends) for pair in pairs]
    return Cells._make(torch.cat([part.flatten() for part in parts]) for parts in zip(*found, strict=True)).noise


__all__ = ["noise_in_flat_parts"]
