"""Corruptions of the input before the encoder: none, one kind of noise, or several.

A denoising autoencoder is any recipe whose corruption is not `none` (Vincent et al. 2008,
https://doi.org/10.1145/1390156.1390294).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.data.batching.blurring import REACH, blurred
from isthmus.errors import UsageError
from isthmus.parts.abstract_corruption import AbstractCorruption, AbstractNoise, Pair, Shape, unfit
from isthmus.parts.jpeg import Jpeg
from isthmus.parts.neighbors import NeighborNoise
from isthmus.parts.noise_level import Level
from isthmus.registry import alternatives, build, joined

Range = tuple[float, float] | None
PHOTONS = 1e7  # float32 can still count these one by one, and no pixel of a sensor holds as many
GRAIN_WIDTH, GRAIN_SHARED = 0.6985, 0.55  # pixels, and the correlation between colors
PATCHES = 7  # per side: 4 of MNIST's 28 pixels, about the width of a stroke, which neighbors do not reveal


class Nothing(AbstractNoise):
    """none: the unchanged input."""

    def corrupt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return x


class GaussianNoise(AbstractNoise):
    """gaussian:SIGMA adds Gaussian noise, x + sigma n; in data units, clipped to the data's range unless clip=false."""

    def __init__(
        self, level: float | str, *, clip: bool = True, limits: Range = None, unit: float | None = None
    ) -> None:
        self.level, self.range = Level(level, unit=unit), limits if clip else None

    def corrupt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        noisy = noise.mul_(self.level.draw(x, generator)).add_(x)
        return noisy.clamp_(*self.range) if self.range else noisy


class SaltAndPepper(AbstractNoise):
    """salt-and-pepper:SHARE sets this share of the values to the lowest or highest value, half each."""

    def __init__(self, level: float | str, *, range: Range = None) -> None:
        self.level = Level(level, high=1.0)
        self.low, self.high = range or (-3.0, 3.0)  # a standardized table has no limits: three standard deviations

    def corrupt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        share = self.level.draw(x, generator)
        u = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return x.masked_fill(u < share, self.high).masked_fill(u < share / 2, self.low)


class Speckle(AbstractNoise):
    """speckle:SIGMA multiplies by noise, x (1 + sigma n), as in radar and ultrasound; clipped to the data's range."""

    def __init__(self, level: float | str, *, clip: bool = True, limits: Range = None) -> None:
        self.level, self.range = Level(level), limits if clip else None

    def corrupt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        noisy = noise.mul_(self.level.draw(x, generator)).add_(1.0).mul_(x)
        return noisy.clamp_(*self.range) if self.range else noisy


class Poisson(AbstractNoise):
    """poisson:PEAK counts photons, Poisson(x peak) / peak: PEAK for a white pixel on average; fewer is noisier."""

    draws_by_value = True  # PyTorch uses rejection sampling on the CPU

    def __init__(self, level: float | str, *, clip: bool = True, range: Range = None, limits: Range = None) -> None:
        if range is None or range[0] < 0:
            raise unfit("poisson", "data without negative values, such as images")
        self.level, self.range = Level(level, low=1e-3, high=PHOTONS), limits if clip else None

    def corrupt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        peak = self.level.draw(x, generator)
        noisy = torch.poisson(x.clamp(min=0) * peak, generator=generator).div_(peak)
        return noisy.clamp_(*self.range) if self.range else noisy


class Grain(AbstractNoise):
    """grain:SIGMA adds noise as in photographs: correlated between neighboring pixels, and between colors.

    White noise, blurred by a Gaussian of `width` pixels and scaled to the standard deviation SIGMA; `shared` is the
    correlation between colors. With 0.6985 and 0.55, the correlation is 0.58 between neighbors and 0.13 two pixels
    apart, as in JPEG photographs (0.58; 0.13 to 0.25; between colors 0.4 to 0.7: our measurement). All three may be
    LOW-HIGH, drawn for each sample.
    """

    def __init__(
        self,
        level: float | str,
        *,
        width: float | str = GRAIN_WIDTH,
        shared: float | str = GRAIN_SHARED,
        clip: bool = True,
        limits: Range = None,
        unit: float | None = None,
        shape: Shape = None,
    ) -> None:
        if shape is not None and len(shape) != 3:
            raise unfit("grain", "images")
        self.level, self.range = Level(level, unit=unit), limits if clip else None
        self.width = Level(width, name="width", low=1e-2, high=REACH / 2)
        self.shared = Level(shared, name="correlation", high=1.0)

    def corrupt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = self._grain(x, generator).mul_(self.level.draw(x, generator)).add_(x)
        return noise.clamp_(*self.range) if self.range else noise

    def _grain(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        B, C, H, W = x.shape
        wide = (B, 1 + C, H + 2 * REACH, W + 2 * REACH)
        white = torch.randn(wide, generator=generator, device=x.device, dtype=x.dtype)
        shared = self.shared.drawn(x, generator)
        noise = white[:, 1:] if C == 1 else shared**0.5 * white[:, :1] + (1 - shared) ** 0.5 * white[:, 1:]
        return blurred(noise, self.width.drawn(x, generator), unit="norm")


class Given(AbstractCorruption):
    """pairs: no random noise; every batch contains inputs and targets."""

    def __call__(self, x: Float[Tensor, "B ..."], generator: torch.Generator | None) -> Pair:
        message = "this model was trained on pairs, so it needs clean targets as well."
        raise UsageError("USAGE-PAIRS", message, fix="name the clean targets: --target CLEAN")


class AddedNoise(AbstractNoise):
    """Several kinds of noise, one after the other, each with its own level: `gaussian:0-0.2+grain:0-0.1`."""

    def __init__(self, parts: Sequence[AbstractNoise]) -> None:
        self.parts, self.draws_by_value = parts, any(part.draws_by_value for part in parts)

    def corrupt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        for part in self.parts:
            x = part.corrupt(x, generator)
        return x


class OneOfNoises(AbstractNoise):
    """One of several kinds of noise for each sample, all equally often: `gaussian:0-0.2|grain:0-0.1`."""

    def __init__(self, parts: Sequence[AbstractNoise]) -> None:
        self.parts, self.draws_by_value = parts, any(part.draws_by_value for part in parts)

    def corrupt(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        u = torch.rand((len(x), *[1] * (x.ndim - 1)), generator=generator, device=x.device, dtype=x.dtype)
        noisy = x
        for i, part in enumerate(self.parts):  # all are drawn, because only the device knows which samples get which
            chosen = (u * len(self.parts) >= i) & (u * len(self.parts) < i + 1)
            noisy = torch.where(chosen, part.corrupt(x, generator), noisy)
        return noisy


class Masking(AbstractCorruption):
    """masking:SHARE sets this share of the values to zero (black; the mean, in a standardized table).

    patch=4 masks squares of 4 x 4 pixels, all channels together (He et al. 2022, arXiv:2111.06377); patch=auto masks
    squares of a seventh of the side, and single values in a table. With count=masked, only the masked values have a
    weight, so large that the total weight of a sample does not change.
    """

    def __init__(self, level: float | str, *, patch: int | str = 1, count: str = "all", shape: Shape = None) -> None:
        sides = shape[1:] if shape and len(shape) == 3 else (1,)
        if patch == "auto":
            patch = max(1, round(min(sides) / PATCHES))
        if not isinstance(patch, int) or patch < 1:
            raise ValueError(f"patch must be a number of pixels or auto, not {patch!r}")
        if count not in {"all", "masked"}:
            raise ValueError(f"count is {count!r}, but must be 'all' or 'masked'")
        if shape is not None and patch > min(sides):
            raise ValueError(f"patches of {patch} pixels are larger than samples of shape {shape}")
        self.level, self.patch, self.count = Level(level, high=1.0), patch, count

    def __call__(self, x: Float[Tensor, "B ..."], generator: torch.Generator | None) -> Pair:
        mask = self.draw(x, generator)
        x_in = x.masked_fill(mask, 0.0)
        if self.count == "all":
            return Pair(x_in, x)
        masked = mask.expand_as(x).to(x.dtype)
        share = masked.flatten(1).mean(1).clamp_min(1 / x[0].numel())  # a sample without a masked value has weight 0
        return Pair(x_in, x, masked / share.reshape(-1, *[1] * (x.ndim - 1)))

    def draw(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """The mask, in a shape that broadcasts over x."""
        if self.patch == 1:
            u = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            return u < self.level.draw(x, generator)
        B, _, H, W = x.shape
        rows, columns = -(-H // self.patch), -(-W // self.patch)
        u = torch.rand((B, 1, rows, columns), generator=generator, device=x.device, dtype=x.dtype)
        mask = u < self.level.draw(x, generator)
        return mask.repeat_interleave(self.patch, 2).repeat_interleave(self.patch, 3)[..., :H, :W]


CORRUPTIONS = {
    "none": Nothing,
    "gaussian": GaussianNoise,
    "salt-and-pepper": SaltAndPepper,
    "speckle": Speckle,
    "poisson": Poisson,
    "grain": Grain,
    "jpeg": Jpeg,
    "masking": Masking,
    "pairs": Given,
    "unknown": NeighborNoise,
}


def corruption(
    text: str, range: Range, shape: Shape = None, *, clips: bool = True, unit: float | None = None
) -> AbstractCorruption:
    """The corruption that `text` names, such as `"gaussian:0.5"` or `"masking:0.6,patch=4"`.

    `a+b` applies one after the other, `a|b` one of them for each sample. `range` is the (lowest, highest) value of the
    data, or None without limits (tables); `shape` is the shape of a sample. With `clips`, noisy values are clipped to
    the range; `unit` is the size of one raw unit in x, for levels in counts.
    """
    known = {"range": range, "shape": shape, "limits": range if clips else None, "unit": unit}
    each = [_added([build("noise", CORRUPTIONS, part, **known) for part in joined(one)]) for one in alternatives(text)]
    return each[0] if len(each) == 1 else OneOfNoises([_as_noise(part) for part in each])


def _added(parts: Sequence[AbstractCorruption]) -> AbstractCorruption:
    return parts[0] if len(parts) == 1 else AddedNoise([_as_noise(part) for part in parts])


def _as_noise(part: AbstractCorruption) -> AbstractNoise:
    """Raises: UsageError for masking, whose weights differ from noise's, and for pairs and unknown noise."""
    if not isinstance(part, AbstractNoise):
        raise UsageError(
            "USAGE-PART", "masking, pairs and unknown noise cannot be combined with other noise.", fix="use only one"
        )
    return part
