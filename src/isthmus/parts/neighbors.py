"""Noisy images without clean targets: trained on two subimages with independent noise, evaluated on hidden pixels.

Sources: Huang, Li, Jia, Lu, Liu 2021, arXiv:2101.02824 (Neighbor2Neighbor); Batson, Royer 2019, arXiv:1901.11365
(Noise2Self, section 3: hidden pixels calibrate a denoiser).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from isthmus.errors import UsageError
from isthmus.parts.abstract_corruption import AbstractCorruption, Denoise, Pair, Shape, unfit
from isthmus.system.device_constants import constant

# The two pixels that can be drawn from the four of a cell, counted row by row: neighbors in every order (section 4.1).
NEIGHBORS = ((0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0), (3, 1), (3, 2))
GAMMA = 2.0  # weight of the regularizer at the end of training, rising from 0: the paper's, for synthetic noise
LEFT_OUT = 4  # hides every 4th pixel of every 4th row: their neighbors are visible, and a 16th of all pixels is enough
MOST_APART = 8  # pixels: noise that reaches further is not noise of single pixels


class NeighborNoise(AbstractCorruption):
    """unknown: no clean image exists; unknown:2 uses pixels 2 apart, for noise that neighbors share.

    For training, one pixel of every cell of 2 x 2 pixels, `apart` from each other, is the input, and one next to it the
    target; both images have half the sides. If the noise of the two is independent, the best prediction is the clean
    picture.

    For evaluation, a 16th of the pixels is hidden: in the input they are replaced by the mean of their neighbors, and
    they are the target. Their noise cannot be predicted, so the error is the error against the clean picture plus the
    variance of the noise. (The subimages are not suitable: a blurred picture predicts the neighboring pixel best.)
    """

    has_truth = False

    def __init__(self, apart: int | str = "auto", *, shape: Shape = None) -> None:
        if shape is not None and len(shape) != 3:
            raise unfit("unknown", "images")
        if apart != "auto" and not (isinstance(apart, int) and 1 <= apart <= MOST_APART):
            raise ValueError(f"the distance of pixels must be 1 to {MOST_APART} or auto, not {apart!r}")
        self.apart = 1 if isinstance(apart, str) else apart

    def __call__(self, x: Float[Tensor, "B C H W"], generator: torch.Generator | None) -> Pair:
        left_out = self._left_out(x, generator)
        k = self.apart
        padded = F.pad(x, (k, k, k, k), mode="replicate")
        beside = padded[..., k:-k, : -2 * k] + padded[..., k:-k, 2 * k :] + padded[..., : -2 * k, k:-k]
        mean = (beside + padded[..., 2 * k :, k:-k]) / 4
        weight = left_out.to(x.dtype).expand_as(x)
        share = weight.mean((1, 2, 3), keepdim=True).clamp_min(1 / x[0].numel())
        return Pair(torch.where(left_out, mean, x), x, weight / share)

    def _left_out(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """The mask of hidden pixels, (B, 1, H, W): the same grid in all subimages of pixels `apart`."""
        H, W = x.shape[2:]
        device = x.device if generator is None else generator.device
        begin = torch.randint(LEFT_OUT, (2, len(x), 1), generator=generator, device=device).to(x.device)
        rows, columns = (torch.arange(side, device=x.device) // self.apart % LEFT_OUT for side in (H, W))
        return ((rows == begin[0])[:, :, None] & (columns == begin[1])[:, None, :])[:, None]

    def training_pair(
        self, x: Float[Tensor, "B C H W"], generator: torch.Generator | None, denoise: Denoise, done: float | Tensor
    ) -> Pair:
        """The pair with the regularizer, which allows the differences between the halves of the denoised picture.

        The paper's cost is |a - t|^2 + gamma |a - t - d|^2, where a is the output, t the target, and d the difference
        of the halves of the denoised picture, without gradient. This equals (1 + gamma) |a - t - gamma / (1 + gamma)
        d|^2 plus a constant: a squared error from another target, for any network.
        """
        drawn = self._draw(x, generator)
        x_in, target = self._halves(x, drawn)
        with torch.no_grad():
            first, second = self._halves(denoise(x), drawn)
        gamma = GAMMA * done
        return Pair(x_in, target + gamma / (1 + gamma) * (first - second))

    def _draw(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draws two pixels of each cell, (B, 1, cells, 1) indices into NEIGHBORS, the same for all channels."""
        B, _, H, W = x.shape
        cells = (H // (2 * self.apart) * self.apart) * (W // (2 * self.apart) * self.apart)
        if not cells:
            message = f"images of {H} x {W} pixels are too small for pairs of pixels {self.apart} apart."
            smaller = ", or pass --noise unknown:1" if self.apart > 1 else ""
            raise UsageError("USAGE-NOISE", message, fix=f"train on larger images{smaller}")
        device = x.device if generator is None else generator.device
        return torch.randint(len(NEIGHBORS), (B, 1, cells, 1), generator=generator, device=device).to(x.device)

    def _halves(self, x: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        B, C, H, W = x.shape
        k = self.apart
        a, b = H // (2 * k), W // (2 * k)
        cells = x[..., : 2 * a * k, : 2 * b * k].reshape(B, C, a, 2, k, b, 2, k).permute(0, 1, 2, 4, 5, 7, 3, 6)
        cells = cells.reshape(B, C, a * k * b * k, 4)
        both = constant(NEIGHBORS, torch.int64, x.device)[drawn[..., 0]]  # (B, 1, cells, 2)
        taken = cells.gather(3, both.expand(B, C, -1, 2)).reshape(B, C, a, k, b, k, 2)
        halves = taken.reshape(B, C, a * k, b * k, 2)
        return halves[..., 0].contiguous(), halves[..., 1].contiguous()


__all__ = ["GAMMA", "NEIGHBORS", "NeighborNoise"]
