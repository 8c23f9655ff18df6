"""Animations: how long each frame stands, how often all of them play, and what each format wants to be told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNTIMED_MS = 100  # of frames that had no time, such as pages: what browsers give a GIF without one
KEEPS_BELOW = 2  # GIF's disposal that clears a frame before the next; without it transparent parts show the one before
WHOLE_FRAMES = 1  # for libwebp: as differences from the one before it drops transparency where colors are few
ANIMATED = {"GIF", "WEBP", "PNG"}


def played(infos: Sequence[dict[str, Any]], kind: str) -> list[int]:
    """The frames that belong into a file of `kind`. A PNG may hold one more, for viewers that know no animation."""
    first = 1 if infos[0].get("default_image") and kind in ANIMATED - {"PNG"} else 0
    return list(range(first, len(infos)))


def animation_settings(
    infos: Sequence[dict[str, Any]], kind: str, came_from: str, *, is_transparent: bool
) -> dict[str, Any]:
    """What Pillow's `save` is told of an animation of `kind`, whose frames had `infos` in a file of `came_from`.

    Every frame is whole, so none is blended over the one before. A GIF's count of repeats is one less than the number
    of times that PNG and WebP count (0: for ever), and it plays once where it has none.
    """
    if kind not in ANIMATED:
        return {}
    found: dict[str, Any] = {"duration": [info.get("duration", UNTIMED_MS) for info in infos]}
    plays = _plays(infos, came_from)
    if kind != "GIF":
        found["loop"] = plays
    elif plays != 1:
        found["loop"] = max(plays - 1, 0)
    if kind == "GIF" and is_transparent:
        found["disposal"] = KEEPS_BELOW
    if kind == "WEBP" and is_transparent:
        found["kmax"] = WHOLE_FRAMES
    if kind == "PNG" and infos[0].get("default_image"):
        found |= {"default_image": True, "duration": found["duration"][1:]}
    return found


def _plays(infos: Sequence[dict[str, Any]], came_from: str) -> int:
    """How often all frames are played; 0: for ever, which pages that become an animation are."""
    loop = next((info["loop"] for info in infos if "loop" in info), None)
    if came_from != "GIF":
        return int(loop or 0)
    return 1 if loop is None else int(loop) + 1 if loop else 0


__all__ = ["ANIMATED", "animation_settings", "played"]
