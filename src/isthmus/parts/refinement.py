"""Convolutions beside the principal components of images: what they add to the code, and to the picture it gives."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from isthmus.parts.blocks import activation_layer, after
from isthmus.parts.shortcuts import AbstractBeside, FixedShortcut

# Pixels a side on which components are kept; of larger images means of pixels. 128 numbers tell nothing finer, and the
# matrices for 256 x 256 in color would take 200 MB.
FINEST_GRID = 64
BLOCKS_FROM = 33  # pixels a side: from here on a place of the refinement is a block of 4 x 4 pixels, below of 2 x 2
SPREAD = 8  # channels of what the code says beside the picture
# Of what the convolutions add, by their size at the start; docs/experiments.md. After 140 to 180 steps on patches of
# photographs the error is 0.94 of that of the components at a share of 0.3 of the picture, and 1.00 at 1. A share of
# 0.3 of the code costs more than it finds: 1.00 after 180 steps, and 0.95 at 0.03.
CODE_SHARE, PICTURE_SHARE = 0.03, 0.3


class Coarse(nn.Module):
    """Images on the grid of their components: means of `step` x `step` pixels, fewer at the right and lower border."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        return x if self.step == 1 else F.avg_pool2d(x, self.step, ceil_mode=True)


class Fine(nn.Module):
    """Images of (H, W) pixels from that grid, between whose places is interpolated by cubic polynomials."""

    def __init__(self, step: int, sides: tuple[int, int]) -> None:
        super().__init__()
        self.step, self.sides = step, sides

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
        if self.step == 1:
            return x
        H, W = self.sides
        return F.interpolate(x, scale_factor=self.step, mode="bicubic")[..., :H, :W]


class CodeBeside(AbstractBeside):
    """h = CODE_SHARE scale layers(2 x - 1) + shortcut(x).

    `scale` is what each number of the code has to move for the same change of the picture: 1 for that of the smallest
    component, less for others. A step that moved all alike would lose more of the large ones than it finds elsewhere.
    """

    scale: Tensor

    def __init__(self, layers: nn.Module, shape: tuple[int, int, int], n_out: int) -> None:
        super().__init__()
        self.layers, self.shortcut = layers, FixedShortcut(math.prod(shape), n_out)
        self.register_buffer("scale", torch.ones(n_out))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B Z"]:
        return CODE_SHARE * self.scale * self.layers(2 * x - 1) + self.shortcut(x.flatten(1))


class RefinedPicture(AbstractBeside):
    """picture + PICTURE_SHARE layers(blocks of the picture, what the code says at each), with picture = shortcut(z).

    Blocks of pixels are the places that convolutions see, so that few of them see all of a picture. None of the kernels
    spreads a place over pixels of its neighbors unevenly, as transposed convolutions do, which draw checkerboards
    (Odena et al. 2016, Distill, doi:10.23915/distill.00003).
    """

    def __init__(self, shape: tuple[int, int, int], z_size: int, width: int, activation: str, dropout: float) -> None:
        super().__init__()
        C, h, w = self.shape = shape
        self.side = 4 if max(h, w) >= BLOCKS_FROM else 2
        self.places = -(-h // self.side), -(-w // self.side)
        n = C * self.side**2
        self.shortcut = FixedShortcut(z_size, math.prod(shape))
        self.spread = nn.Linear(z_size, SPREAD * math.prod(self.places))
        self.layers = nn.Sequential(
            Around(n + SPREAD, width),
            *after(activation, dropout),
            Residual(width, activation),
            *after(activation, dropout),
            Around(width, n),
        )

    def forward(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B C h w"]:
        _, h, w = self.shape
        told = self.spread(z).unflatten(1, (SPREAD, *self.places))
        picture = self.shortcut(z).unflatten(1, self.shape)
        H, W = (self.side * places for places in self.places)
        blocks = F.pixel_unshuffle(F.pad(2 * picture - 1, (0, W - w, 0, H - h), mode="replicate"), self.side)
        seen = torch.cat([blocks, told], 1).contiguous(memory_format=torch.channels_last)
        return picture + PICTURE_SHARE * F.pixel_shuffle(self.layers(seen), self.side)[..., :h, :w]


class Around(nn.Conv2d):
    """A 3 x 3 convolution that repeats the border outwards, so that pictures get no frame."""

    def __init__(self, C_in: int, C_out: int) -> None:
        super().__init__(C_in, C_out, 3, padding=1, padding_mode="replicate")


class Residual(nn.Module):
    """x + 0.3 layers(x), of two convolutions; the share keeps what passes through at its size."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(Around(width, width), activation_layer(activation), Around(width, width))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return x + 0.3 * self.layers(x)


def coarse_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, h, w) of the grid on which components of images of `shape` are kept."""
    C, H, W = shape
    step = step_of(shape)
    return C, -(-H // step), -(-W // step)


def step_of(shape: tuple[int, ...]) -> int:
    """How many pixels a side are one place of that grid."""
    return -(-max(shape[1:]) // FINEST_GRID)
