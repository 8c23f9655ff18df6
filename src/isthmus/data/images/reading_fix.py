"""Options that bring images of one shape to another, found by trying them on an image in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.images.transforms import conform
from isthmus.data.samples import Samples
from isthmus.wording import counted

Shape = tuple[int, ...]
# What a person may have meant, tried in this order: no other channels, color as gray, a fourth channel as transparency.
TRIALS: dict[str, dict[str, Any]] = {"": {}, "--gray": {"gray": True}, "--alpha white": {"alpha": "white"}}


def fix_for_model(given: Shape, wanted: Shape) -> str:
    """What to do about images (C, H, W) = `given` where a model takes `wanted`."""
    for flag, settings in TRIALS.items():
        if _after(given, settings, wanted) == wanted:
            return _pass(flag, given, _resize(given, wanted))
    return f"pass images with {counted(wanted[0], 'channel')}; no option converts {given[0]} to {wanted[0]}"


def fix_for_both(first: Shape, second: Shape) -> str | None:
    """Options that make two sets of images alike, each of which is read with them; None where none do."""
    for flag, settings in TRIALS.items():
        if _after(first, settings, first) == _after(second, settings, first):
            return _pass(flag, max(first, second), _resize(second, first))
    return None


def _after(given: Shape, settings: dict[str, Any], size: Shape) -> Shape:
    """The shape that an image of the shape `given` has once it is read with the settings, at the size of another."""
    options = DataConfig(**settings, resize=f"{size[1]}x{size[2]}")
    return conform(Samples(np.zeros((1, *given), np.uint8), "trial"), options).shape


def _resize(given: Shape, wanted: Shape) -> str:
    return f"--resize {wanted[1]}x{wanted[2]}" if given[1:] != wanted[1:] else ""


def _pass(flag: str, given: Shape, resize: str) -> str:
    """As it is typed; that a fourth channel is transparency only a person knows."""
    options = f"pass {' '.join(filter(None, (resize, flag)))}"
    sees_through = given[0] == 4 and flag
    return f"{options} if the fourth channel is transparency; otherwise use other images" if sees_through else options
