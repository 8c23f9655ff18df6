"""Animations: frames as an animated WebP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from isthmus.evaluation.figures.contact_sheets import pictures
from isthmus.system.files import write_atomic

SMALLEST = 256  # pixels of the longer side: smaller images are enlarged by whole factors
FRAME_MS, END_MS = 90, 600  # the first and the last frame are shown longer, so that they can be recognized


def write_animation(path: Path, frames: np.ndarray) -> Path:
    """Writes frames (N, C, H, W), uint8 or floats in [0, 1], forward and back in an endless loop; lossless.

    Raises: ResourceError if it cannot be written.
    """
    made = (pictures(frames) * 255).round().astype(np.uint8)
    made = made.repeat(3, axis=-1) if made.shape[-1] == 1 else made
    factor = max(1, -(-SMALLEST // max(made.shape[1:3])))
    made = made.repeat(factor, axis=1).repeat(factor, axis=2)
    there = [Image.fromarray(frame) for frame in made]
    loop = there + there[-2:0:-1]
    waits = [FRAME_MS] * len(loop)
    waits[0] = waits[len(there) - 1] = END_MS
    first, *rest = loop
    return write_atomic(
        path,
        lambda part: first.save(
            part, format="WEBP", save_all=True, append_images=rest, duration=waits, loop=0, lossless=True
        ),
    )
