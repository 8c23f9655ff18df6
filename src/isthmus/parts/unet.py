"""`unet`: a residual U-Net without a code that removes noise from images of any size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from isthmus.errors import UsageError

WIDTHS = (32, 48, 64)  # channels of the scales; 0.5 M weights, 0.27 million multiplications per pixel
OUTER, INNER = 2, 3  # blocks on the way down and up at each scale, and at the coarsest
TAPS = 3  # pixels per side of a convolution's window


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), without biases; the second convolution starts at zero, so the block starts as x."""

    def __init__(self, C: int) -> None:
        super().__init__()
        self.first, self.second = _conv(C, C), _conv(C, C)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return self.second(self.first(x).relu_()).add_(x)  # in place, which saves 80 MB for a tile


class UNet(nn.Module):
    """Removes noise from images (B, C, H, W) of any size.

    Blocks of two 3 x 3 convolutions at scales that halve the sides, and back up, with skip connections that are added.
    There are no biases and no batch normalization, so twice the input gives twice the output, and one network works for
    all noise levels, even those that it was not trained on. The network predicts what to add to the input.

    Sources: Ronneberger, Fischer, Brox 2015, arXiv:1505.04597 (U-Net); Mohan et al. 2020, arXiv:1906.05478 (without
    biases); Zhang et al. 2017, arXiv:1608.03981 (the residual).
    """

    def __init__(self, C: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.head, self.tail = _conv(C, widths[0]), _conv(widths[0], C)
        self.down = nn.ModuleList(_blocks(width, OUTER) for width in widths[:-1])
        self.downsample = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2, bias=False) for a, b in pairwise(widths))
        self.middle = _blocks(widths[-1], INNER)
        self.upsample = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2, bias=False) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_blocks(width, OUTER) for width in widths[:-1])
        self.stride = 2 ** (len(widths) - 1)

    @property
    def halo(self) -> int:
        """The distance in pixels beyond which no input changes an output pixel, a multiple of `stride`."""
        reach = (
            (TAPS - 1)
            // 2
            * sum(
                s * 2 * (INNER if s == self.stride else 2 * OUTER)
                for s in (2**i for i in range(len(self.downsample) + 1))
            )
        )
        reach += 2 * ((TAPS - 1) // 2) + self.stride - 1  # head and tail; and the possible starts of a 2 x 2 window
        return -(-reach // self.stride) * self.stride

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        H, W = x.shape[2:]
        whole = reflected(x, -H % self.stride, -W % self.stride)
        h = self.head(whole.contiguous(memory_format=torch.channels_last))
        passed: list[Tensor] = []
        for blocks, downsample in zip(self.down, self.downsample, strict=True):
            passed.append(blocks(h))
            h = downsample(passed[-1])
        h = self.middle(h)
        for blocks, upsample in zip(reversed(self.up), reversed(self.upsample), strict=True):
            h = blocks(upsample(h).add_(passed.pop()))
        return x + self.tail(h)[..., :H, :W].to(x.dtype)

    @torch.no_grad()
    def start_as_identity(self) -> UNet:
        """Sets the last convolution of every block and of the network to zero, so that the output equals the input."""
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                module.second.weight.zero_()
        self.tail.weight.zero_()
        return self


def reflected(x: Float[Tensor, "B C H W"], rows: int, columns: int) -> Float[Tensor, "B C H2 W2"]:
    """x with this many mirrored rows and columns at its lower and right edges; replicated if x is too small."""
    H, W = x.shape[2:]
    mode = "reflect" if rows < H and columns < W else "replicate"
    return F.pad(x, (0, columns, 0, rows), mode=mode) if rows or columns else x


def unet(shape: tuple[int, ...], hidden: Sequence[int] | None = None) -> UNet:
    """The network for images of `shape` (C, H, W); it can be used with any sides.

    Raises: UsageError for tables.
    """
    if len(shape) != 3:
        raise UsageError(
            "USAGE-NETWORK", "unet needs images, but this is a table.", fix="pass --network mlp, without --recipe photo"
        )
    return UNet(shape[0], hidden or WIDTHS)


def _blocks(C: int, n: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(C) for _ in range(n)))


def _conv(C_in: int, C_out: int) -> nn.Conv2d:
    return nn.Conv2d(C_in, C_out, TAPS, padding=TAPS // 2, bias=False)
