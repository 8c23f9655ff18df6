"""`conv`: convolutional encoder and decoder for images with sides of 16 to 256 pixels and any channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from isthmus.errors import DataError
from isthmus.parts.blocks import Sizes, after
from isthmus.parts.refinement import Coarse, CodeBeside, Fine, RefinedPicture, coarse_shape, step_of

SMALLEST, LARGEST = 16, 256  # pixels per side: below, an mlp is enough; above, a step takes seconds on a CPU
COARSEST = 8  # the default stages reduce both sides to this or less
FINEST = 4  # no stage reduces a side of this or less: a kernel would see nothing but borders
FIRST_WIDTH, MOST_WIDTH = 16, 128  # more than 16 at the finest stage doubles the time without any gain

Grid = tuple[int, int]


class ChannelsLast(nn.Module):
    """The same values in channels-last memory layout, in which convolutions are faster on CPUs."""

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return x.contiguous(memory_format=torch.channels_last)


class Crop(nn.Module):
    """The upper left (H, W) pixels: a stage doubles its sides, but odd sides were rounded up in the encoder."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Float[Tensor, "B C H_in W_in"]) -> Float[Tensor, "B C H W"]:
        H, W = self.grid
        return x[..., :H, :W]


class Upsample(nn.Module):
    """A transposed convolution from the grid `coarse` to `fine`: 4 taps for a doubled side, 3 for an unchanged one.

    The border is replicated first. With the usual zero padding, the outermost pixels have fewer neighbors than all
    others, which adds a visible frame to pictures.
    """

    def __init__(self, C_in: int, C_out: int, coarse: Grid, fine: Grid) -> None:
        super().__init__()
        strides = _strides(fine, coarse)
        kernel, padding = (2 + strides[0], 2 + strides[1]), (1 + strides[0], 1 + strides[1])
        self.layer = nn.ConvTranspose2d(C_in, C_out, kernel, stride=strides, padding=padding)
        self.crop = Crop(fine)

    def forward(self, x: Float[Tensor, "B C_in h w"]) -> Float[Tensor, "B C_out H W"]:
        return self.crop(self.layer(F.pad(x, (1, 1, 1, 1), mode="replicate")))


def stage_widths(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The channels of the default stages, 16, 32, 64, 128, 128, …: enough to reduce the longer side to 8 or less."""
    stages = math.ceil(math.log2(max(2 * COARSEST, *shape[1:]) / COARSEST))
    return tuple(min(FIRST_WIDTH * 2**i, MOST_WIDTH) for i in range(stages))


def conv(
    sizes: Sizes, hidden: Sequence[int], activation: str, dropout: float = 0.0, shortcut: bool = False
) -> tuple[nn.Sequential, nn.Sequential]:
    """conv: stages that halve the sides, `hidden` channels each, a linear layer to the code; the decoder mirrors them.

    Odd sides are rounded up in the encoder and cropped in the decoder, so any are possible. With `shortcut=true`, a
    linear path bypasses the stages to the code, and the decoder refines the picture of another linear path.

    Raises: DataError for tables, and for sides outside of 16 to 256.
    """
    check_sides(sizes.shape)
    if shortcut:
        return _beside_components(sizes, hidden, activation, dropout)
    grids = grids_of((sizes.shape[1], sizes.shape[2]), len(hidden))
    channels, up = [sizes.channels_out, *hidden], []
    for (fine, coarse), (C_out, C_in) in zip(pairwise(grids), pairwise(channels), strict=True):
        up = [*after(activation, dropout), Upsample(C_in, C_out, coarse, fine), *up]
    n_out = channels[-1] * math.prod(grids[-1])
    leave = nn.Linear(sizes.z_size, n_out), nn.Unflatten(1, (channels[-1], *grids[-1])), ChannelsLast()
    return _into_code(sizes.shape, sizes.width_code, hidden, activation, dropout), nn.Sequential(*leave, *up)


def _beside_components(
    sizes: Sizes, hidden: Sequence[int], activation: str, dropout: float
) -> tuple[nn.Sequential, nn.Sequential]:
    shape, shape_out = coarse_shape(sizes.shape), coarse_shape(sizes.shape_out)
    into = CodeBeside(_into_code(shape, sizes.width_code, hidden, activation, dropout), shape, sizes.width_code)
    width = hidden[-1] if hidden else FIRST_WIDTH
    refined = RefinedPicture(shape_out, sizes.z_size, width, activation, dropout)
    step = step_of(sizes.shape)
    return nn.Sequential(Coarse(step), into), nn.Sequential(refined, Fine(step, (sizes.shape[1], sizes.shape[2])))


def _into_code(
    shape: tuple[int, ...], width_code: int, hidden: Sequence[int], activation: str, dropout: float
) -> nn.Sequential:
    """Stages that halve the sides, and a linear layer to `width_code` values."""
    grids, channels = grids_of((shape[1], shape[2]), len(hidden)), [shape[0], *hidden]
    down = []
    for (fine, coarse), (C_in, C_out) in zip(pairwise(grids), pairwise(channels), strict=True):
        down += [_down(C_in, C_out, fine, coarse), *after(activation, dropout)]
    n_in = channels[-1] * math.prod(grids[-1])
    return nn.Sequential(ChannelsLast(), *down, nn.Flatten(), nn.Linear(n_in, width_code))


def check_sides(shape: tuple[int, ...]) -> None:
    """Raises: DataError if `conv` does not accept samples of this shape, with a size that it accepts."""
    if len(shape) != 3:
        raise DataError("DATA-SIDES", "conv needs images, but this is a table.", fix="pass --network mlp")
    H, W = shape[1:]
    if min(H, W) >= SMALLEST and max(H, W) <= LARGEST:
        return
    scale = LARGEST / max(H, W) if max(H, W) > LARGEST else SMALLEST / min(H, W)
    h, w = (min(LARGEST, max(SMALLEST, round(side * scale))) for side in (H, W))
    bent = abs(h * W - w * H) > max(H, W)  # more than by rounding to whole pixels
    fix = f"pass --resize {h}x{w}" + ", which changes their proportions" * bent
    message = f"conv needs images with sides of {SMALLEST} to {LARGEST} pixels, but these are {H}x{W}."
    raise DataError("DATA-SIDES", message, fix=fix)


def grids_of(sides: Grid, stages: int) -> list[Grid]:
    """The sides before each stage and after the last one; each is halved and rounded up while it is above 4."""
    grids = [sides]
    for _ in range(stages):
        H, W = grids[-1]
        grids.append((_halved(H), _halved(W)))
    return grids


def _halved(side: int) -> int:
    return -(-side // 2) if side > FINEST else side


def _strides(fine: Grid, coarse: Grid) -> Grid:
    return (1 + (fine[0] > coarse[0]), 1 + (fine[1] > coarse[1]))


def _down(C_in: int, C_out: int, fine: Grid, coarse: Grid) -> nn.Module:
    return nn.Conv2d(C_in, C_out, 3, stride=_strides(fine, coarse), padding=1)
