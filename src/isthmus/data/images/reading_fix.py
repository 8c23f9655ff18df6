"""Options that convert images of one shape to another, found by trying them on an image in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.images.transforms import conform
from isthmus.data.samples import Samples
from isthmus.wording import counted

Shape = tuple[int, ...]
# What a user may have meant, tried in this order: the same channels, color as gray, transparency as fourth channel.
TRIALS: dict[str, dict[str, Any]] = {"": {}, "--gray": {"gray": True}, "--alpha white": {"alpha": "white"}}


def fix_for_model(given: Shape, wanted: Shape) -> str:
    """The fix for images of shape `given` (C, H, W) if a model takes `wanted`."""
    for flag, settings in TRIALS.items():
        if _after(given, settings, wanted) == wanted:
            return _pass(flag, given, _resize(given, wanted))
    return f"pass images with {counted(wanted[0], 'channel')}; no option converts {given[0]} to {wanted[0]}"


def fix_for_both(first: Shape, second: Shape) -> str | None:
    """Options that give two sets of images the same shape when both are read with them; None if there are none."""
    for flag, settings in TRIALS.items():
        if _after(first, settings, first) == _after(second, settings, first):
            return _pass(flag, max(first, second), _resize(second, first))
    return None


def _after(given: Shape, settings: dict[str, Any], size: Shape) -> Shape:
    """The shape of an image of shape `given` after it is read with the settings and resized to `size`."""
    options = DataConfig(**settings, resize=f"{size[1]}x{size[2]}")
    return conform(Samples(np.zeros((1, *given), np.uint8), "trial"), options).shape


def _resize(given: Shape, wanted: Shape) -> str:
    return f"--resize {wanted[1]}x{wanted[2]}" if given[1:] != wanted[1:] else ""


def _pass(flag: str, given: Shape, resize: str) -> str:
    """The options as typed; only the user knows whether a fourth channel is transparency."""
    options = f"pass {' '.join(filter(None, (resize, flag)))}"
    sees_through = given[0] == 4 and flag
    return f"{options} if the fourth channel is transparency; otherwise use other images" if sees_through else options
