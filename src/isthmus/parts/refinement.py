"""Convolutions that refine the principal components of images: they add to the code and to the decoded picture."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from isthmus.parts.blocks import activation_layer, after
from isthmus.parts.shortcuts import AbstractBeside, FixedShortcut

# Pixels per side of the grid for components; larger images are averaged. 128 numbers cannot describe finer detail, and
# the matrices for 256 x 256 in color would take 200 MB.
FINEST_GRID = 64
BLOCKS_FROM = 33  # pixels per side from which a cell of the refinement is a block of 4 x 4 pixels, otherwise of 2 x 2
SPREAD = 8  # channels for what the code says in addition to the picture
# Factors on what the convolutions add at the start; docs/experiments.md. After 140 to 180 steps on patches of
# photographs, the error is 0.94 of the components' error with 0.3 for the picture, and 1.00 with 1. For the code, 0.3
# is too much: 1.00 after 180 steps, compared with 0.95 for 0.03.
CODE_SHARE, PICTURE_SHARE = 0.03, 0.3


class Coarse(nn.Module):
    """Images on the grid of the components: means of `step` x `step` pixels, fewer at the right and lower border."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        return x if self.step == 1 else F.avg_pool2d(x, self.step, ceil_mode=True)


class Fine(nn.Module):
    """Images of (H, W) pixels from that grid, by bicubic interpolation."""

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

    `scale` is how far each number of the code has to move for the same change of the picture: 1 for the smallest
    component, less for others. Without it, a step would lose more in the large components than it gains elsewhere.
    """

    scale: Tensor

    def __init__(self, layers: nn.Module, shape: tuple[int, int, int], n_out: int) -> None:
        super().__init__()
        self.layers, self.shortcut = layers, FixedShortcut(math.prod(shape), n_out)
        self.register_buffer("scale", torch.ones(n_out))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B Z"]:
        return CODE_SHARE * self.scale * self.layers(2 * x - 1) + self.shortcut(x.flatten(1))


class RefinedPicture(AbstractBeside):
    """picture + PICTURE_SHARE layers(blocks of the picture, features of the code at each), with picture = shortcut(z).

    The convolutions work on blocks of pixels, so that a few layers see the whole picture. No kernel overlaps its
    neighbors unevenly, as in transposed convolutions, which cause checkerboard artifacts (Odena et al. 2016, Distill,
    doi:10.23915/distill.00003).
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
    """A 3 x 3 convolution that replicates the border, so that pictures get no visible frame."""

    def __init__(self, C_in: int, C_out: int) -> None:
        super().__init__(C_in, C_out, 3, padding=1, padding_mode="replicate")


class Residual(nn.Module):
    """x + 0.3 layers(x), with two convolutions; the factor keeps the size of the values."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(Around(width, width), activation_layer(activation), Around(width, width))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return x + 0.3 * self.layers(x)


def coarse_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, h, w) of the grid for components of images of `shape`."""
    C, H, W = shape
    step = step_of(shape)
    return C, -(-H // step), -(-W // step)


def step_of(shape: tuple[int, ...]) -> int:
    """How many pixels per side form one cell of that grid."""
    return -(-max(shape[1:]) // FINEST_GRID)
