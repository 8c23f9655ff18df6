"""Training patches of images that stay whole on the device; whole batches are drawn, rotated and flipped there."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.data.batching.batches import AbstractBatches, as_x
from isthmus.data.batching.blurring import REACH, blurred
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.whole_images import WholeImages
from isthmus.errors import UsageError
from isthmus.registry import parse, plain

LEAST = 0.05  # pixels: a narrower Gaussian has only one tap in float32


class Patches(AbstractBatches):
    """Shuffled batches of patches (B, C, P, P), each from a random place in one of the images `chosen` (n,).

    In an epoch, each image gives as many patches as are needed to cover it side by side. Half of the patches are
    mirrored, and all are rotated by a random multiple of 90 degrees; `augment` "soften:MOST" blurs half of them by 0 to
    MOST pixels, since photographs at full size are softer than downscaled ones.
    """

    def __init__(
        self,
        whole: WholeImages,
        chosen: np.ndarray,
        preprocess: Preprocess,
        *,
        patch: int,
        augment: str = "none",
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        sizes = whole.sizes[chosen]
        self.patch = side_of_patches(sizes, patch)
        often = patches_of_pass(sizes, patch)
        self.owner = torch.from_numpy(np.repeat(np.arange(len(chosen)), often)).to(device)
        super().__init__(len(self.owner), batch_size=batch_size, seed=seed, device=device)
        self.whole, self.preprocess, self.soften = whole, preprocess, soften_of(augment)
        self.values = _resident(whole, preprocess).to(device)
        self.starts = torch.from_numpy(whole.starts[chosen]).to(device)
        self.sizes = torch.from_numpy(sizes).to(device)

    def take(self, rows: Tensor, generator: torch.Generator, *, augmented: bool = True, own: bool = False) -> Tensor:
        """x of random patches of the images of `rows`, (B, C, P, P) float32 on the device."""
        image, P = self.owner[rows.to(self.device)], self.patch
        u = torch.rand((3, len(rows)), generator=generator, device=generator.device).to(self.device)
        sizes = self.sizes[image]
        top, left = ((u[k] * (sizes[:, k] - P + 1)).long() for k in (0, 1))
        down, across = self._grid((u[2] * 8).long().clamp_(max=7))
        H, W = sizes[:, 0, None, None], sizes[:, 1, None, None]
        pixels = (top[:, None, None] + down) * W + left[:, None, None] + across
        planes = (torch.arange(self.whole.channels, device=self.device)[None, :, None, None]) * (H * W)[:, None]
        places = self.starts[image, None, None, None] + planes + pixels[:, None]
        x = as_x(self.values[places], self.preprocess)
        return softened(x, self.soften, generator) if self.soften and augmented else x

    def _grid(self, symmetry: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and columns within a patch, (B, P, P) each, under one of a square's eight symmetries, (B,)."""
        ahead = torch.arange(self.patch, device=self.device)
        turned = self.patch - 1 - ahead
        flip_rows, flip_columns, swap = ((symmetry >> bit & 1).bool()[:, None] for bit in range(3))
        rows = torch.where(flip_rows, turned, ahead)[:, :, None].expand(-1, -1, self.patch)
        columns = torch.where(flip_columns, turned, ahead)[:, None, :].expand(-1, self.patch, -1)
        swap = swap[:, :, None]
        return torch.where(swap, columns, rows), torch.where(swap, rows, columns)


def side_of_patches(sizes: np.ndarray, patch: int) -> int:
    """Pixels per side of patches of images of `sizes` (n, 2): `patch`, or the side of the smallest image if smaller."""
    return min(patch, int(sizes.min()))


def patches_of_pass(sizes: np.ndarray, patch: int) -> np.ndarray:
    """The number of patches (n,) from each image of `sizes` (n, 2) in a pass: enough to cover it side by side."""
    return -(-sizes.prod(1) // side_of_patches(sizes, patch) ** 2)


def soften_of(augment: str) -> float:
    """Pixels of the widest blur that `augment` asks for: `"soften:1.2"` -> 1.2, `"none"` -> 0.

    Raises: UsageError for other values, and for blurs beyond the reach of the filter.
    """
    name, level, options = parse(augment)
    if name == "none" and level is None and not options:
        return 0.0
    most = plain(level or "")
    if name != "soften" or options or not isinstance(most, int | float) or not 0 < most <= REACH / 2:
        fix = f"use none, or soften:PIXELS, up to {REACH / 2:g}"
        raise UsageError("USAGE-AUGMENT", f"unknown augmentation {augment!r} of patches.", fix=fix)
    return float(most)


def softened(x: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Blurs half of the patches, each by a random width between 0 and `most` pixels."""
    u = torch.rand((2, len(x), 1, 1, 1), generator=generator, device=generator.device).to(x)
    edged = F.pad(x, (REACH, REACH, REACH, REACH), mode="reflect")
    return torch.where(u[0] < 0.5, blurred(edged, (most * u[1]).clamp_min(LEAST), unit="sum"), x)


def _resident(whole: WholeImages, preprocess: Preprocess) -> Tensor:
    """The values as one flat tensor: bytes stay bytes and are scaled batch by batch, others become x at once."""
    if whole.values.dtype == np.uint8:
        return torch.from_numpy(whole.values)
    x = WholeImages(np.empty(len(whole.values), np.float32), whole.starts, whole.sizes, whole.channels)
    for i in range(len(whole)):
        x.image(i)[:] = preprocess.to_x(torch.from_numpy(whole.image(i)[None])).numpy()[0]
    return torch.from_numpy(x.values)
