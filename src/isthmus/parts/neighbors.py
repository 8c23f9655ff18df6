"""Noisy images alone: trained by two halves of a picture whose noise is not the same, judged by pixels left out.

Sources: Huang, Li, Jia, Lu, Liu 2021, arXiv:2101.02824 (Neighbor2Neighbor); Batson, Royer 2019, arXiv:1901.11365
(Noise2Self, section 3: pixels that are left out calibrate a denoiser).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from isthmus.errors import UsageError
from isthmus.parts.abstract_corruption import AbstractCorruption, Denoise, Pair, Shape
from isthmus.system.device_constants import constant

# Of the four pixels of a cell, counted row by row, the two that are drawn: neighbors, in every order (section 4.1).
NEIGHBORS = ((0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0), (3, 1), (3, 2))
GAMMA = 2.0  # weight of the regularizer at the end of the training, from 0 on: the paper's, for synthetic noise
LEFT_OUT = 4  # every 4th pixel of every 4th row: those around it are all there, and a 16th of all is enough to count
MOST_APART = 8  # pixels: noise that reaches further is no noise of single pixels


class NeighborNoise(AbstractCorruption):
    """unknown: no clean image exists; unknown:2 takes pixels 2 apart, for noise that neighbors share.

    To train on, of every cell of 2 x 2 pixels, `apart` from each other, one goes into the input and one beside it into
    the target, both images of half the sides. Where the noise of the two is independent, the best answer is the clean
    picture.

    To judge by, a 16th of the pixels is left out of the input, filled with the mean of those beside, and is the target.
    Its noise cannot be guessed, so the error is that against the clean picture and the noise's variance. (The halves
    would not do: their target is the pixel beside, which a blurred picture guesses best.)
    """

    has_truth = False

    def __init__(self, apart: int | str = "auto", *, shape: Shape = None) -> None:
        if shape is not None and len(shape) != 3:
            raise ValueError("unknown noise needs data that has neighbors, such as images")
        if apart != "auto" and not (isinstance(apart, int) and 1 <= apart <= MOST_APART):
            raise ValueError(f"pixels are taken {apart!r} apart; allowed are 1 to {MOST_APART}, or auto")
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
        """Which pixels are left out, (B, 1, H, W): of all images that are made of pixels `apart` the same grid."""
        H, W = x.shape[2:]
        device = x.device if generator is None else generator.device
        begin = torch.randint(LEFT_OUT, (2, len(x), 1), generator=generator, device=device).to(x.device)
        rows, columns = (torch.arange(side, device=x.device) // self.apart % LEFT_OUT for side in (H, W))
        return ((rows == begin[0])[:, :, None] & (columns == begin[1])[:, None, :])[:, None]

    def training_pair(
        self, x: Float[Tensor, "B C H W"], generator: torch.Generator | None, denoise: Denoise, done: float | Tensor
    ) -> Pair:
        """With the regularizer: what differs between the halves of the denoised picture may differ in the answer.

        The paper's cost is |a - t|^2 + gamma |a - t - d|^2, with a the answer, t the target and d the difference of the
        halves of the denoised picture, through which no gradient goes. That is (1 + gamma) |a - t - gamma / (1 + gamma)
        d|^2 and a constant: a squared error from another target, whatever the network is.
        """
        drawn = self._draw(x, generator)
        x_in, target = self._halves(x, drawn)
        with torch.no_grad():
            first, second = self._halves(denoise(x), drawn)
        gamma = GAMMA * done
        return Pair(x_in, target + gamma / (1 + gamma) * (first - second))

    def _draw(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Which two pixels of each cell are taken, (B, cells of a row of cells ...), the same of all channels."""
        B, _, H, W = x.shape
        cells = (H // (2 * self.apart) * self.apart) * (W // (2 * self.apart) * self.apart)
        if not cells:
            message = f"images of {H} x {W} pixels have no two halves of pixels {self.apart} apart."
            raise UsageError("USAGE-NOISE", message, fix="train on larger images, or pass --noise unknown:1")
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
