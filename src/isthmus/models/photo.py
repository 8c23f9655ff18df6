"""`photo`: the denoiser for photographs that comes with the package, one network for gray and one for color."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.models.denoiser import Denoiser
from isthmus.models.loading import load_model
from isthmus.system.workers import Progress

FOLDER = Path(__file__).with_name(
    "photo_weights"
)  # gray/ and color/ are model folders; about.json says how they were made
COLORS = 3


class PhotoDenoiser:
    """Removes noise and grain from photographs of any size, for any noise level.

    `denoise` takes (H, W), (H, W, 3), (N, C, H, W), (N, H, W, 3), arrays or tensors, as uint8, uint16 or floats in
    [0, 1], and returns the same kind. There is no code, so there is no `encode`.
    """

    has_code = False

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = device

    @cached_property
    def gray(self) -> Denoiser:
        """The network for one channel."""
        return self._load("gray")

    @cached_property
    def color(self) -> Denoiser:
        """The network for three channels."""
        return self._load("color")

    def denoise(self, given: Any, strength: float = 1.0, *, progress: Progress | None = None) -> Any:
        """Removes noise from images; `strength` blends from 0 (unchanged) to 1.

        Raises: UsageError for another strength; DataError for an input that is not an image.
        """
        return self.network_for(given).denoise(given, strength, progress=progress)

    def network_for(self, given: Any) -> Denoiser:
        """The color network for images of three channels; the gray one for all others, channel by channel.

        An image with three equal channels is gray: its noise is the same in all channels, unlike that of a camera.
        """
        shape = tuple(given.shape) if isinstance(given, torch.Tensor) else np.shape(given)
        axis = next((k for k in (-1, -3) if len(shape) in (3, 4) and shape[k] == COLORS), None)
        if axis is None:
            return self.gray
        values = given.detach().cpu() if isinstance(given, torch.Tensor) else given
        channels = np.moveaxis(np.asarray(values), axis, 0)
        return self.gray if all(np.array_equal(channels[0], other) for other in channels[1:]) else self.color

    def _load(self, kind: str) -> Denoiser:
        model = load_model(FOLDER / kind, device=self.device)
        assert isinstance(model, Denoiser)
        model.is_bounded = True
        return model


def about_photo() -> dict[str, Any]:
    """How it was trained, on which data, its results, and where it fails."""
    return json.loads((FOLDER / "about.json").read_text(encoding="utf-8"))


__all__ = ["PhotoDenoiser", "about_photo"]
