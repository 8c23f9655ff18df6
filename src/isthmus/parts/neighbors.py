"""Neighbor2Neighbor: training on noisy images alone, by two halves of the same picture whose noise is not the same.

Source: Huang, Li, Jia, Lu, Liu 2021, arXiv:2101.02824.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.errors import UsageError
from isthmus.parts.abstract_corruption import AbstractCorruption, Denoise, Pair, Shape

# Of the four pixels of a cell, counted row by row, the two that are drawn: neighbors, in every order (section 4.1).
NEIGHBORS = ((0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0), (3, 1), (3, 2))
GAMMA = 2.0  # weight of the regularizer at the end of the training, from 0 on: the paper's, for synthetic noise
MOST_APART = 8  # pixels: noise that reaches further is no noise of single pixels


class NeighborNoise(AbstractCorruption):
    """unknown: no clean image exists; unknown:2 takes pixels 2 apart, for noise that neighbors share.

    Of every cell of 2 x 2 pixels, `apart` from each other, one goes into the input and one beside it into the target,
    both images of half the sides. Where the noise of the two is independent, the best answer is the clean picture.
    """

    has_truth = False

    def __init__(self, apart: int | str = "auto", *, shape: Shape = None) -> None:
        if shape is not None and len(shape) != 3:
            raise ValueError("unknown noise needs data that has neighbors, such as images")
        if apart != "auto" and not (isinstance(apart, int) and 1 <= apart <= MOST_APART):
            raise ValueError(f"pixels are taken {apart!r} apart; allowed are 1 to {MOST_APART}, or auto")
        self.apart = 1 if isinstance(apart, str) else apart

    def __call__(self, x: Float[Tensor, "B C H W"], generator: torch.Generator | None) -> Pair:
        return Pair(*self._halves(x, self._draw(x, generator)))

    def training_pair(
        self, x: Float[Tensor, "B C H W"], generator: torch.Generator | None, denoise: Denoise, done: float
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
        both = torch.tensor(NEIGHBORS, device=x.device)[drawn[..., 0]]  # (B, 1, cells, 2)
        taken = cells.gather(3, both.expand(B, C, -1, 2)).reshape(B, C, a, k, b, k, 2)
        halves = taken.reshape(B, C, a * k, b * k, 2)
        return halves[..., 0].contiguous(), halves[..., 1].contiguous()


__all__ = ["GAMMA", "NEIGHBORS", "NeighborNoise"]
