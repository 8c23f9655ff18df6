"""`Denoiser`: a network without a code that removes noise from images of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.models.abstract_model import AbstractModel, Output, evaluation
from isthmus.models.blending import blend
from isthmus.models.image_layout import ImageLayout
from isthmus.models.removal_bound import keep_texture
from isthmus.models.tiling import Tiling, tile_over, tiled
from isthmus.parts import bottlenecks, networks
from isthmus.parts.codes import Code
from isthmus.parts.neighbors import NeighborNoise
from isthmus.parts.unet import reflected, unet
from isthmus.system.workers import Progress


class Denoiser(AbstractModel):
    """The corruption, likelihood and preprocessing of an autoencoder, with a U-Net, which has no code.

    `denoise` and `reconstruct` take images of any size, as numpy arrays or tensors: (H, W), (H, W, C), (N, C, H, W),
    (N, H, W, C); uint8, uint16 or floats in [0, 1]. They return the same kind.
    """

    has_code = False
    is_bounded = False  # whether to remove no more than the noise of flat parts (`removal_bound`)

    def __init__(self, config: ModelConfig, preprocess: Preprocess) -> None:
        super().__init__(config, preprocess)
        if self.likelihood.channels_out(1) != 1 or self.likelihood.range is not None:
            message = f"{config.network} returns images, which the likelihood {config.likelihood!r} cannot use."
            raise UsageError("USAGE-OUTPUT", message, fix="pass --loss gaussian or --loss laplace")
        if self.terms:
            message = f"the penalty {config.terms!r} needs a code, but {config.network} has none."
            raise UsageError("USAGE-PART", message, fix="pass --set terms=none")
        self.bottleneck = bottlenecks.bottleneck("identity", 0)
        self.network = unet(preprocess.shape, config.hidden)
        self.apart = self.corruption.apart if isinstance(self.corruption, NeighborNoise) else 1

    @property
    def sides(self) -> tuple[nn.Module, nn.Module]:
        return self.network, nn.Identity()

    @property
    def z_size(self) -> int:
        return 0

    def initialize(self, generator: torch.Generator, mean: Tensor | None = None) -> Denoiser:
        """New weights from `generator`, with which the output equals the input; `mean` is ignored."""
        networks.initialize(self.network, "relu", generator, scheme=self.config.init)
        self.network.start_as_identity()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def forward(self, x_in: Tensor, *, sample: bool = False, generator: torch.Generator | None = None) -> Output:
        return Output(self._network(x_in), Code(x_in.new_zeros(x_in.shape[0], 0), {}, {}))

    def _network(self, x_in: Tensor) -> Tensor:
        """The network's output (B, C, H, W). If it was trained on every k-th pixel, it is applied to such subimages."""
        k, (B, _, H, W) = self.apart, x_in.shape
        if k == 1:
            return self.network(x_in)
        whole = reflected(x_in, -H % k, -W % k)
        images = rearrange(whole, "b c (h p) (w q) -> (b p q) c h w", p=k, q=k)
        answer = rearrange(self.network(images), "(b p q) c h w -> b c (h p) (w q)", b=B, p=k, q=k)
        return answer[..., :H, :W]

    def reconstruct(self, given: Any) -> Any:
        """Applies the network to each image; the result has the kind, shape and type of the input."""
        return self._through(given, 1.0)

    def denoise(self, given: Any, strength: float = 1.0, *, progress: Progress | None = None) -> Any:
        """Removes noise from images. `strength` blends from 0 (unchanged) to 1. `progress(done, total)` counts
        the tiles of each image.

        Raises: UsageError for another strength; DataError for an input that is not an image or has other channels.
        """
        refuse_strength(strength)
        return self._through(given, strength, progress)

    def denoise_over(self, pixels: np.ndarray, strength: float = 1.0, *, progress: Progress | None = None) -> None:
        """Like `denoise`, in place, for one image (C, H, W) with any memory layout. A photograph of any size needs
        little more memory than itself, or twice itself if the removal is bounded.

        Raises: as `denoise`.
        """
        refuse_strength(strength)
        layout = ImageLayout(torch.from_numpy(pixels)[None], self.preprocess)
        with torch.no_grad(), evaluation(self):
            before = layout.raw[0].clone() if self.is_bounded else None
            tiling = self._tiling if before is None else self._tiling.beside(before)
            tile_over(self._cleaning(layout, strength), layout.raw, tiling, progress)
            if before is not None:
                keep_texture(before, layout.raw[0], strength)
        if layout.raw.data_ptr() != pixels.__array_interface__["data"][0]:  # a type that needed a copy
            pixels[:] = layout.back(layout.raw)[0].numpy()

    def _cleaning(self, layout: ImageLayout, strength: float) -> Callable[[Tensor], Tensor]:
        """The function for each tile of raw values; with full strength if the bound is applied to the whole image."""
        at_once = 1.0 if self.is_bounded else strength

        def cleaned(raw: Tensor) -> Tensor:
            x = layout.to_x(raw.to(self.device))
            return layout.to_raw(blend(x, self._clean(x), at_once)).to(raw.device)

        return cleaned

    def _through(self, given: Any, strength: float, progress: Progress | None = None) -> Any:
        layout = ImageLayout(given, self.preprocess)
        cleaned = self._cleaning(layout, strength)
        with torch.no_grad(), evaluation(self):
            clean = [tiled(cleaned, image[None], self._tiling, progress) for image in layout.raw]
            if self.is_bounded:
                pairs = zip(layout.raw, clean, strict=True)
                clean = [keep_texture(image, made[0], strength)[None] for image, made in pairs]
        return layout.back(torch.cat(clean) if clean else layout.raw)

    def _clean(self, x: Tensor) -> Tensor:
        """Applies the network to (1, C, H, W) with any channels: a gray network cleans each channel alone, and a gray
        image is repeated for the channels of a color network.
        """
        C = self.preprocess.shape[0]
        if C == 1:
            return self._answer(x.movedim(1, 0)).movedim(0, 1)
        if x.shape[1] == 1:
            return self._answer(x.expand(-1, C, -1, -1)).mean(1, keepdim=True)
        return self._answer(x)

    def _answer(self, x: Tensor) -> Tensor:
        return self.likelihood.mean(self._network(x).float())

    @property
    def _tiling(self) -> Tiling:
        return Tiling(self.apart * self.network.halo, self.apart * self.network.stride)


def refuse_strength(strength: float) -> None:
    """Raises: UsageError for a strength outside of 0 to 1."""
    if not 0 <= strength <= 1:
        raise UsageError("USAGE-STRENGTH", f"the strength is {strength:g}, but must be from 0 to 1.", fix="use 0.5")


__all__ = ["Denoiser", "refuse_strength"]
