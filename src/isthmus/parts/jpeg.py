"""JPEG compression of an image: rounds the frequencies of blocks of 8 x 8 pixels, and halves the size of colors.

After it, noise is no longer independent between pixels, as in the files of cameras and phones.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from isthmus.parts.abstract_corruption import AbstractNoise, Shape, unfit
from isthmus.parts.noise_level import Level
from isthmus.system.device_constants import constant

# The tables of ITU-T T.81, Annex K, which libjpeg scales by its quality.
BRIGHTNESS = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
    51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120,
    101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
COLORS = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, *[99] * 32,
)  # fmt: skip
TO_COLORS = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF: Y, Cb, Cr
FROM_COLORS = np.linalg.inv(TO_COLORS).tolist()
SIDE = 8


class Jpeg(AbstractNoise):
    """jpeg:QUALITY gives an image as after saving with 8 bits as JPEG of this quality, 1 to 100.

    The quality is libjpeg's. Colors have half the size, as in most programs (4:2:0). Use it after other noise, as in
    `gaussian:0.1+jpeg:80-95`.
    """

    def __init__(self, level: float | str, *, shape: Shape = None) -> None:
        if shape is not None and (len(shape) != 3 or shape[0] not in (1, 3)):
            raise unfit("jpeg", "gray images or images with three colors")
        self.level = Level(level, low=1.0, high=100.0)

    def corrupt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        quality = self.level.drawn(x, generator).reshape(-1, 1, 1)
        percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
        usual = constant((BRIGHTNESS, COLORS), x.dtype, x.device).reshape(2, SIDE, SIDE)
        tables = [((table * percent + 50) / 100).floor().clamp(1, 255).expand(len(x), -1, -1) for table in usual]
        pixels = (255 * x).clamp(0, 255).round()
        if x.shape[1] == 1:
            return (_rounded(pixels - 128, tables[0]) + 128).clamp(0, 255).round() / 255
        colors, back = (constant(matrix, x.dtype, x.device) for matrix in (TO_COLORS, FROM_COLORS))
        planes = torch.einsum("kc,bchw->bkhw", colors, pixels)
        y, small = planes[:, :1] - 128, F.avg_pool2d(planes[:, 1:], 2, ceil_mode=True, count_include_pad=False)
        small = F.interpolate(_rounded(small, tables[1]), scale_factor=2, mode="bilinear", align_corners=False)
        kept = torch.cat([_rounded(y, tables[0]) + 128, small[..., : x.shape[2], : x.shape[3]]], 1)
        return torch.einsum("ck,bkhw->bchw", back, kept).clamp(0, 255).round() / 255


def _rounded(planes: Float[Tensor, "B C H W"], table: Float[Tensor, "B 8 8"]) -> Float[Tensor, "B C H W"]:
    """Rounds each frequency of blocks of 8 x 8 values to multiples of the table."""
    B, C, H, W = planes.shape
    whole = F.pad(planes, (0, -W % SIDE, 0, -H % SIDE), mode="replicate")
    blocks = whole.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE)
    cosines = _cosines(planes)
    steps = table[:, None, None, None]
    found = (cosines @ blocks @ cosines.T / steps).round() * steps
    back = (cosines.T @ found @ cosines).permute(0, 1, 2, 4, 3, 5)
    return back.reshape(B, C, *whole.shape[2:])[..., :H, :W]


def _cosines(like: Tensor) -> Float[Tensor, "8 8"]:
    """The orthonormal discrete cosine transform of 8 values."""
    k, n = (torch.arange(float(SIDE), dtype=like.dtype, device=like.device) for _ in range(2))
    matrix = torch.cos(math.pi / SIDE * (n[None] + 0.5) * k[:, None]) * math.sqrt(2 / SIDE)
    matrix[0] *= math.sqrt(0.5)
    return matrix


__all__ = ["Jpeg"]
